//! Options of the commands about the service.

/// What is done with the service.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ServiceArgs {
    /// Write a hardened unit for /etc/rminer/config.toml (or --config), enable and start it; needs root
    Install {
        /// Show what would be done, and the unit
        #[arg(long)]
        dry_run: bool,
        /// Run as this user instead of one that exists only while it runs
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Do not start it now
        #[arg(long)]
        no_start: bool,
    },
    /// Stop it and remove the unit; configuration and state stay
    Uninstall {
        /// Show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Show in words how it is
    Status,
}
