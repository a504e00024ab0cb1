//! The steps of the container's first process, as bare calls; those on mounts are in `mounts`.

use nsplan::plan::seccomp::FilterInstruction;
use nsplan::plan::{NamespaceOp, PrivilegeOp, ProcessOp, Slot, UserOp};
use nsplan::types::{Capability, FilterFlags};

use crate::floor::Floor;
use crate::machine::{Machine, Word, number};

impl Floor<'_> {
    pub(crate) fn namespace(&mut self, op: &NamespaceOp) -> Option<()> {
        match op {
            NamespaceOp::Unshare { kind } => {
                self.machine.call(libc::SYS_unshare, &[kind.clone_flag().bits().into()]);
            }
            NamespaceOp::SetHostname { name } => self.name(libc::SYS_sethostname, name),
            NamespaceOp::SetDomainname { name } => self.name(libc::SYS_setdomainname, name),
            NamespaceOp::Sysctl { path, value } => {
                let root = Word::Of(self.slot(Slot::Root)?);
                let path = self.machine.text(&format!("proc/sys/{path}"));
                let file = self.machine.make(
                    libc::SYS_openat,
                    &[root, path, (libc::O_WRONLY | libc::O_CLOEXEC).into()],
                );
                self.write_to(file, value);
            }
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn process(&mut self, op: &ProcessOp) -> Option<()> {
        match op {
            ProcessOp::DieWithParent { signal } => {
                let signal = u64::from(signal.number()).into();
                self.machine.call(libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG.into(), signal]);
            }
            ProcessOp::HoldProc => return None,
            ProcessOp::NewSession => self.machine.call(libc::SYS_setsid, &[]),
            ProcessOp::NewKeyring => {
                let join = libc::KEYCTL_JOIN_SESSION_KEYRING.into();
                self.machine.call(libc::SYS_keyctl, &[join, 0.into()]);
            }
            ProcessOp::Umask { mask } => self.machine.call(libc::SYS_umask, &[(*mask).into()]),
            ProcessOp::SetRlimit { resource, limit } => {
                let limit = self.machine.words(&[limit.soft, limit.hard]);
                let resource = u64::from(resource.number()).into();
                self.machine.call(libc::SYS_prlimit64, &[0.into(), resource, limit, 0.into()]);
            }
            ProcessOp::SetOomScore { value } => {
                self.write("/proc/self/oom_score_adj", &format!("{value}\n"));
            }
            ProcessOp::CloseDescriptors => {
                let all = [3.into(), u32::MAX.into(), 0.into()];
                self.machine.call(libc::SYS_close_range, &all);
            }
            ProcessOp::ChangeDirectory { path } => {
                let path = self.machine.text(path.as_str());
                self.machine.call(libc::SYS_chdir, &[path]);
            }
            ProcessOp::Execute { candidates, args, env } => {
                let (args, env) = (self.machine.table(args), self.machine.table(env));
                for candidate in candidates {
                    let path = self.machine.text(candidate);
                    self.machine.attempt(libc::SYS_execve, &[path, args, env]);
                }
                self.machine.attempt(libc::SYS_exit_group, &[127.into()]);
            }
            // The bench's containers ask for none of the rest.
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn user(&mut self, op: &UserOp) -> Option<()> {
        let none = 0.into();
        match op {
            UserOp::BecomeRoot { clear_groups } => {
                if *clear_groups {
                    self.machine.call(libc::SYS_setgroups, &[none, none]);
                }
                self.machine.call(libc::SYS_setresgid, &[none, none, none]);
                self.machine.call(libc::SYS_setresuid, &[none, none, none]);
            }
            UserOp::SetGroups { gids } => {
                let bytes: Vec<u8> = gids.iter().flat_map(|gid| gid.to_le_bytes()).collect();
                let list = self.machine.bytes(&bytes);
                self.machine.call(libc::SYS_setgroups, &[gids.len().into(), list]);
            }
            &UserOp::SetIds { uid, gid } => {
                self.machine.call(libc::SYS_setresgid, &[gid.into(), gid.into(), gid.into()]);
                self.machine.call(libc::SYS_setresuid, &[uid.into(), uid.into(), uid.into()]);
            }
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn privilege(&mut self, op: &PrivilegeOp) -> Option<()> {
        let control = |machine: &mut Machine, words: &[Word]| {
            machine.call(libc::SYS_prctl, words);
        };
        match op {
            PrivilegeOp::DropBounding { keep, last } => {
                let dropped = (0..=*last).filter(|&number| {
                    Capability::from_number(number).is_none_or(|cap| !keep.contains(cap))
                });
                for number in dropped {
                    let what = [libc::PR_CAPBSET_DROP.into(), u64::from(number).into()];
                    control(&mut self.machine, &what);
                }
            }
            PrivilegeOp::KeepCapabilities => {
                control(&mut self.machine, &[libc::PR_SET_KEEPCAPS.into(), 1.into()]);
            }
            PrivilegeOp::SetCapabilities { effective, permitted, inheritable } => {
                const VERSION_3: u64 = 0x2008_0522;
                let header = self.machine.words(&[VERSION_3]);
                let sets = [effective, permitted, inheritable].map(|set| set.bits());
                let half = |shift: u32| sets.map(|set| (set >> shift) & u64::from(u32::MAX));
                let bytes: Vec<u8> = [half(0), half(32)]
                    .concat()
                    .iter()
                    .flat_map(|half| half.to_le_bytes()[..4].to_vec())
                    .collect();
                let data = self.machine.bytes(&bytes);
                self.machine.call(libc::SYS_capset, &[header, data]);
            }
            PrivilegeOp::SetAmbient { set } => {
                let ambient = libc::PR_CAP_AMBIENT.into();
                let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL.into();
                control(&mut self.machine, &[ambient, clear, 0.into(), 0.into(), 0.into()]);
                let raise = libc::PR_CAP_AMBIENT_RAISE.into();
                for cap in set.iter() {
                    let number = u64::from(cap.number()).into();
                    control(&mut self.machine, &[ambient, raise, number, 0.into(), 0.into()]);
                }
            }
            PrivilegeOp::NoNewPrivileges => {
                let set = libc::PR_SET_NO_NEW_PRIVS.into();
                control(&mut self.machine, &[set, 1.into(), 0.into(), 0.into(), 0.into()]);
            }
            PrivilegeOp::NotDumpable => {
                let set = libc::PR_SET_DUMPABLE.into();
                control(&mut self.machine, &[set, 0.into(), 0.into(), 0.into(), 0.into()]);
            }
            PrivilegeOp::Seccomp { flags, program } if !flags.contains(LISTENS) => {
                self.filter(flags.bits(), program)?;
            }
            PrivilegeOp::ExecLabel { .. }
            | PrivilegeOp::Relabel { .. }
            | PrivilegeOp::Seccomp { .. }
            | PrivilegeOp::ConnectAgent { .. }
            | PrivilegeOp::SendListener { .. } => return None,
        }
        Some(())
    }

    /// The program is nsplan's own: what a worse one costs the kernel is not the floor's to show.
    fn filter(&mut self, flags: u32, program: &[FilterInstruction]) -> Option<()> {
        const SET_MODE_FILTER: i32 = 1;
        let count = u64::from(u16::try_from(program.len()).ok()?);
        let instructions: Vec<u64> = program.iter().map(|&i| instruction(i.into())).collect();
        let instructions = number(self.machine.words(&instructions));
        let fprog = self.machine.words(&[count, instructions]);
        self.machine.call(libc::SYS_seccomp, &[SET_MODE_FILTER.into(), flags.into(), fprog]);
        Some(())
    }

    pub(crate) fn loopback_up(&mut self) {
        let mut request = [0u8; 40];
        request[..2].copy_from_slice(b"lo");
        // IFF_UP beside IFF_LOOPBACK, which reading the flags first would give.
        request[16] = 0x9;
        let request = self.machine.bytes(&request);
        let kind = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC).into();
        let socket = self.machine.make(libc::SYS_socket, &[libc::AF_INET.into(), kind, 0.into()]);
        let set = libc::SIOCSIFFLAGS.into();
        self.machine.call(libc::SYS_ioctl, &[Word::Of(socket), set, request]);
        self.machine.call(libc::SYS_close, &[Word::Of(socket)]);
    }

    fn name(&mut self, call: i64, name: &str) {
        let text = self.machine.text(name);
        self.machine.call(call, &[text, name.len().into()]);
    }
}

const LISTENS: FilterFlags = FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER;

/// A `struct sock_filter` as a word.
fn instruction((code, if_true, if_false, value): (u16, u8, u8, u32)) -> u64 {
    let ([a, b], [e, f, g, h]) = (code.to_le_bytes(), value.to_le_bytes());
    u64::from_le_bytes([a, b, if_true, if_false, e, f, g, h])
}
