//! The commands by themselves, for a folder without a workspace: `refit-xtask plan`.

fn main() -> std::process::ExitCode {
    refit_xtask::main()
}
