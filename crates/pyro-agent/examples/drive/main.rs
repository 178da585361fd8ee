//! Drives the agent of a running guest by hand: `drive SOCKET [CHECK]...`.
//!
//! SOCKET is the host's end of the guest's serial port. Each check is a claim about the agent; the first one that does
//! not hold ends the program. Without names all run, except those that end or exhaust the guest. A word that begins
//! with `!` is run in the guest as a shell string.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod checks;
mod host;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use host::Host;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let socket = PathBuf::from(arguments.next().ok_or("usage: drive SOCKET [CHECK]...")?);
    let names: Vec<String> = arguments.collect();
    let begun = Instant::now();
    let host = Host::connect(&socket).await?;
    println!("hello after {:?}: {:?}", begun.elapsed(), host.hello);
    drop(host);
    for string in names.iter().filter_map(|name| name.strip_prefix('!')) {
        println!("{}", checks::run(&socket, string).await?);
    }
    for (name, is_routine, check) in checks::ALL {
        if names.iter().any(|asked| asked == name) || (names.is_empty() && *is_routine) {
            let begun = Instant::now();
            let note = check(socket.clone())
                .await
                .map_err(|error| format!("{name}: {error}"))?;
            println!("{name}: held after {:?} {note}", begun.elapsed());
        }
    }
    Ok(())
}
