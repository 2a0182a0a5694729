//! No orphans: what this process starts ends with it, however it ends, SIGKILL included.
//!
//! Linux only (`PR_SET_PDEATHSIG`). Elsewhere the next start ends what an earlier one left behind: see [`crate::engines`].

use std::{
    io,
    sync::{LazyLock, mpsc},
    thread,
};

use nix::sys::signal::Signal;
use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

/// Starts `command`; the child gets `signal` from the kernel when this process is gone, and is killed when its handle is dropped.
///
/// Must be called inside a tokio runtime.
pub async fn spawn(command: std::process::Command, signal: Signal) -> io::Result<Child> {
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    #[cfg(target_os = "linux")]
    tie_to_this_process(&mut command, signal);
    #[cfg(not(target_os = "linux"))]
    let _ = signal;

    let (reply, answer) = oneshot::channel();
    let gone = || io::Error::other("the thread that starts child processes is gone");
    SPAWNER.send(Order { command, runtime: Handle::current(), reply }).map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

struct Order {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// The kernel sends the signal when the *thread* that forked ends, and a runtime's workers may end long before the process does. So every
/// child is forked by one thread that waits for orders until the process is gone.
static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, inbox) = mpsc::channel::<Order>();
    thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for mut order in inbox {
                let _context = order.runtime.enter();
                let child = order.command.spawn();
                // The command keeps files open that the child inherited; close them before the caller goes on.
                drop(order.command);
                // Nobody waits any more: the child is dropped here, and thereby killed.
                let _ = order.reply.send(child);
            }
        })
        .expect("a thread can be started");
    orders
});

#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "pre_exec has no safe form; what runs there is two system calls that are safe between fork and exec"
)]
fn tie_to_this_process(command: &mut Command, signal: Signal) {
    use nix::{
        errno::Errno,
        sys::prctl,
        unistd::{getpid, getppid},
    };

    let this_process = getpid();
    let tie = move || {
        prctl::set_pdeathsig(signal)?;
        // This process may have died between the fork and the line above; then no signal will ever come.
        if getppid() == this_process { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    // SAFETY: the closure neither allocates nor takes a lock: prctl and getppid are async-signal-safe.
    unsafe { command.pre_exec(tie) };
}

/// Asks the kernel for SIGTERM when the parent of this process is gone. Call it from `main` before any thread is started.
///
/// `make run` uses it: whoever kills `make` leaves nothing behind. Does nothing on other platforms than Linux.
pub fn end_with_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use nix::{sys::prctl, unistd::getppid};

        let parent = getppid();
        prctl::set_pdeathsig(Signal::SIGTERM)?;
        if getppid() != parent {
            return Err(io::Error::other("the parent process is gone"));
        }
    }
    Ok(())
}
