//! The `xtask` program: the project's own chores.

fn main() -> std::process::ExitCode {
    match xtask::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
