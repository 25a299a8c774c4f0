//! The `xtask` program: the project's own chores.

fn main() -> anyhow::Result<()> {
    xtask::run()
}
