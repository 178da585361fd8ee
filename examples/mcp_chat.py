"""A chat in which a model uses pyro over MCP: one run, then a workspace, then every tool. Only the profile changes.

Needs `pyro` in PATH, `pip install mcp openai`, and OPENAI_API_KEY; OPENAI_BASE_URL for another server of the Responses API.
"""

import asyncio
import json
import os

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from openai import AsyncOpenAI

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5.4-mini")
PARTS = {
    "vm-run": "Which version of git does a fresh VM have?",
    "workspace-core": "In a workspace, write greeting.txt, change it by a patch, show me the diff, and delete the workspace.",
    "workspace-full": "List the environments. Make a workspace, stop and start it, see who you are in it, and delete it.",
}


async def chat(model, profile, said):
    pyro = StdioServerParameters(command="pyro", args=["mcp", "serve", "--profile", profile], env=dict(os.environ))
    async with Client(stdio_client(pyro)) as mcp:
        tools = [tool.model_dump() for tool in (await mcp.list_tools()).tools]
        print(f"profile {profile}: {len(tools)} tools")
        keep = [{"name": t["name"], "description": t["description"], "parameters": t["input_schema"]} for t in tools]
        about = {"model": MODEL, "instructions": mcp.instructions}
        about["tools"] = [{"type": "function", "strict": False, **tool} for tool in keep]
        answer = await model.responses.create(input=said, **about)
        while calls := [item for item in answer.output if item.type == "function_call"]:
            results = [await mcp.call_tool(call.name, json.loads(call.arguments)) for call in calls]
            texts = ["\n".join(block.text for block in result.content if block.type == "text") for result in results]
            said = [{"type": "function_call_output", "call_id": c.call_id, "output": t} for c, t in zip(calls, texts)]
            answer = await model.responses.create(input=said, previous_response_id=answer.id, **about)
        print(answer.output_text)


for word, task in PARTS.items():
    asyncio.run(chat(AsyncOpenAI(), word, task))
