//! Faults of pyro, shown in the shape of every other error.

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;

use serde_json::json;

use crate::exit;
use crate::logging;
use crate::ui::Ui;

/// From here on a panic is reported as `internal` and ends the process with 125.
pub(crate) fn install(ui: Ui) {
    std::panic::set_hook(Box::new(move |info| {
        report(&ui, info);
        end_process();
    }));
}

fn report(ui: &Ui, info: &PanicHookInfo<'_>) {
    let reason = payload(info);
    let place = info.location().map(ToString::to_string);
    let backtrace = logging::wants_debug().then(|| Backtrace::force_capture().to_string());
    let object = json!({
        "code": pyro::ErrorCode::Internal.as_str(),
        "message": format!("pyro has a fault: {}", reason.lines().next().unwrap_or(reason)),
        "hint": "report it, with what `PYRO_LOG=debug` adds",
        "details": { "place": place, "version": env!("CARGO_PKG_VERSION") },
    });
    ui.failure_object(&object);
    if let Some(backtrace) = backtrace {
        ui.diagnostic(&backtrace);
    }
}

/// What the fault says of itself; `payload_as_str` needs Rust 1.91.
fn payload<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a fault without a message")
}

#[expect(
    clippy::exit,
    reason = "a panic in a release build aborts after its hook, with a status that is not the contract's"
)]
fn end_process() -> ! {
    std::process::exit(i32::from(exit::FAILED))
}
