//! Options of `rminer setup`.

/// Options of `rminer setup`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The plan is printed before anything is done. What was there before is kept in /var/lib/rminer-setup/setup.json, and --undo \
sets it back. The miner itself needs no root."
)]
pub struct SetupArgs {
    /// What to set up.
    #[arg(value_enum)]
    pub part: SetupPart,
    /// Keep it over a restart of the machine
    #[arg(long)]
    pub persist: bool,
    /// Print the plan and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Set back what was changed before
    #[arg(long, conflicts_with = "persist")]
    pub undo: bool,
    /// With --undo, leave what --persist wrote
    #[arg(long, requires = "undo")]
    pub keep_files: bool,
    /// User that is to mine, for gpu-rights [default: who called sudo]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Threads of RandomX to have huge pages for [default: as rminer would start]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub threads: Option<u32>,
}

/// What can be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SetupPart {
    /// Huge pages for RandomX
    Hugepages,
    /// The processor's registers for RandomX: prefetchers off
    Msr,
    /// Rights of a user on graphics cards
    GpuRights,
}

impl SetupPart {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hugepages => "hugepages",
            Self::Msr => "msr",
            Self::GpuRights => "gpu-rights",
        }
    }
}
