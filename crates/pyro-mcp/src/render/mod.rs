//! How results become text for a model.

mod changes;
mod clean;
mod cut;
mod environments;
mod execution;
mod files;
mod json;
mod logs;
mod stream;
mod transfer;
mod vm;
mod workspace;

pub(crate) use changes::{keep_within, write_changes, write_changes_of_run, write_diff, write_patch_result};
pub(crate) use clean::{clean, last_line};
pub(crate) use cut::cut;
pub(crate) use environments::write_environments;
pub(crate) use execution::{Execution, shorten, shorten_kept, shorten_so_far, write_execution};
pub(crate) use files::{write_file_list, write_file_read, write_file_write};
pub(crate) use logs::{Shown, write_logs};
pub(crate) use stream::{Limit, More, shorten_stream};
pub(crate) use transfer::{write_export, write_sync};
pub(crate) use vm::{write_reap, write_vm, write_vm_deletion, write_vm_network};
pub(crate) use workspace::{write_deletion, write_list, write_workspace};

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (48_211, "48,211"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
