//! The commands as a stand-alone program, for folders without a Cargo workspace: `refit-xtask plan`.

fn main() -> std::process::ExitCode {
    refit_xtask::main()
}
