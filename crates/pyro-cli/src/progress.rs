//! What long operations show on a terminal meanwhile.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pyro::{EnvironmentProgress, Phase, RunEvent, TransferProgress};

use crate::format;

const SPINNER: &str = "{spinner} {msg}";
const BYTES: &str = "{spinner} {msg} {bytes} ({binary_bytes_per_sec})";
const BYTES_OF: &str = "{spinner} {msg} [{bar:28}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
const TICK: Duration = Duration::from_millis(120);

/// One line that is redrawn in place and leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    style: &'static str,
    visible: bool,
}

impl Progress {
    /// Progress that is shown.
    pub(crate) fn visible() -> Self {
        Self {
            // Without a style of ours from the beginning, the first frame would be an empty bar.
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style(SPINNER)),
            style: SPINNER,
            visible: true,
        }
    }

    /// Progress that is not shown.
    pub(crate) fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            style: "",
            visible: false,
        }
    }

    /// Shows that a step began.
    pub(crate) fn step(&mut self, message: impl Into<String>) {
        if self.visible {
            // The message comes first, so that no frame is drawn without it.
            self.bar.set_message(message.into());
            self.restyle(SPINNER);
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// Shows how far the step is; `total` is 0 while unknown.
    pub(crate) fn bytes(&mut self, done: u64, total: u64) {
        if !self.visible {
            return;
        }
        if total == 0 {
            self.bar.unset_length();
            self.restyle(BYTES);
        } else {
            self.bar.set_length(total);
            self.restyle(BYTES_OF);
        }
        self.bar.set_position(done);
    }

    /// Takes what the library tells about an environment.
    pub(crate) fn environment(&mut self, progress: EnvironmentProgress) {
        match progress {
            EnvironmentProgress::Step(step) => self.step(step),
            EnvironmentProgress::Bytes { done, total } => self.bytes(done, total),
            _ => {}
        }
    }

    /// Takes how far a transfer is.
    pub(crate) fn transfer(&mut self, progress: TransferProgress) {
        match progress {
            TransferProgress::Found { entries, bytes } => {
                self.step(format!(
                    "looking through the source: {entries} names, {}",
                    format::size(bytes)
                ));
            }
            TransferProgress::Moved {
                bytes_done,
                bytes_total,
            } => {
                if self.style == SPINNER {
                    self.step("transferring");
                }
                self.bytes(bytes_done, bytes_total);
            }
            _ => {}
        }
    }

    /// Takes what happens before a command runs. Once it runs the terminal is its own.
    pub(crate) fn run(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Phase(Phase::Environment) => self.step("preparing the environment"),
            RunEvent::Phase(Phase::Starting) => self.step("starting the VM"),
            RunEvent::Environment(progress) => self.environment(progress.clone()),
            _ => self.clear(),
        }
    }

    /// Removes the line.
    pub(crate) fn clear(&mut self) {
        if self.visible {
            self.bar.finish_and_clear();
            self.visible = false;
        }
    }

    /// Changing the style restarts the estimate of the rate, so it is changed only when it differs.
    fn restyle(&mut self, template: &'static str) {
        if self.style != template {
            self.style = template;
            self.bar.set_style(style(template));
            self.bar.reset();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constant and valid")
        .progress_chars("=> ")
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_valid() {
        for template in [SPINNER, BYTES, BYTES_OF] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
