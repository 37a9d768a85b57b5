//! Ctrl-C and the signal that ends services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Sets the flag when the program is asked to end. A second time ends it at once, whatever it does.
///
/// # Errors
/// The system's reason when it takes no handler; the program then ends at once as without this.
pub(crate) fn set_at_interrupt(flag: &Arc<AtomicBool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let flag = Arc::clone(flag);
    // The handlers stand before this returns, so that an early signal is not missed.
    let mut asked = {
        let _entered = runtime.enter();
        Asked::new()?
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(asked.next());
        flag.store(true, Ordering::Release);
        runtime.block_on(asked.next());
        std::process::exit(EXIT_AT_SECOND);
    })?;
    Ok(())
}

/// What shells expect of a program that Ctrl-C ended: 128 and the number of the signal.
const EXIT_AT_SECOND: i32 = 130;

#[cfg(unix)]
struct Asked {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Asked {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Asked;

#[cfg(not(unix))]
impl Asked {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
