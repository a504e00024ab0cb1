//! The table of all options: name, short name, value, help. Parsing, help, completions and man pages are read off it.
//!
//! Pure.

use super::spec::Takes;

/// Makes the enum of options and the groups of the table from the same rows.
macro_rules! options {
    (elsewhere { $($other:ident $meaning:literal;)* } $($(#[$about:meta])* $group:ident $title:literal {
        $($id:ident $long:literal $short:tt $takes:expr, $help:literal;)*
    })*) => {
        /// Every option by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OptId {
            $($(#[doc = $help] $id,)*)*
            $(#[doc = $meaning] $other,)*
        }

        group! {
            $($(#[$about])* $group $title {
                $($id $long $short $takes, $help;)*
            })*
        }
    };
}

/// Makes groups of options from rows: id, long name, letter or `_`, value, help.
macro_rules! group {
    ($($(#[$about:meta])* $group:ident $title:literal {
        $($id:ident $long:literal $short:tt $takes:expr, $help:literal;)*
    })*) => {
        $($(#[$about])* pub static $group: $crate::cli::spec::Group = $crate::cli::spec::Group {
            title: $title,
            options: &[$($crate::cli::spec::Opt {
                id: $crate::cli::options::OptId::$id,
                long: $long,
                short: $crate::cli::options::short!($short),
                takes: $takes,
                help: $help,
            }),*],
        };)*
    };
}

macro_rules! short {
    (_) => {
        None
    };
    ($letter:literal) => {
        Some($letter)
    };
}

pub(in crate::cli) use {group, short};

const FLAG: Takes = Takes::Nothing;
const DIR: Takes = Takes::directory("DIR");
const FILE: Takes = Takes::file("FILE");
const NS: Takes = Takes::words("NS", &["private", "host"]);
const IDS: Takes = Takes::value("INSIDE:OUTSIDE:COUNT").many();
const CAP: Takes = Takes::value("NAME").many();
const SIZE: Takes = Takes::value("SIZE");
const TABLE: Takes = Takes::words("FORMAT", &["table", "json"]);
const N: Takes = Takes::value("N");

options! {
    elsewhere {
        Func "`nsinit`: what is done in a container.";
        ListFunctions "`nsinit`: list what can be.";
        LogFile "`nsinit`: where standard error goes.";
        Mnt "`nsinit`: the mount namespace.";
        OutputFile "`nsinit`: where a configuration is written to.";
        ParentDeathSignal "`nsinit`: the signal at the end of the launcher.";
        Security "`nsinit`: how many capabilities.";
        UsernsRootUid "`nsinit`: root's number outside.";
        CgroupMount "`nsinit`: the control groups are mounted inside.";
        VethAddress "`nsinit`: address of the interface.";
        VethBridge "`nsinit`: bridge of the interface.";
        VethGateway "`nsinit`: default gateway.";
        VethMtu "`nsinit`: largest packet.";
    }
    /// Before or after the verb.
    GLOBAL "Global options" {
        Help "help" 'h' FLAG, "Show help, also that of a verb.";
        Root "root" _ DIR, "Keep the state of containers in DIR instead of /run/nsplan, or $XDG_RUNTIME_DIR/nsplan for an ordinary user.";
        Debug "debug" _ FLAG, "Print the plan on standard error, or into the log, before it is carried out.";
        Log "log" _ FILE, "Write what goes wrong to the end of FILE too, one line a failure, as engines read it.";
        LogFormat "log-format" _ Takes::words("FORMAT", &["text", "json"]), "Form of those lines, and without --log of what is said on standard error: `text` (the default) or `json`.";
        Rootless "rootless" _ Takes::words("BOOL", &["true", "false", "auto"]), "Whether the caller counts as an ordinary user: a container whose configuration names no cgroup then gets one below the caller's own, and only if something is limited. `auto` (the default) goes by the effective user id.";
        SystemdCgroup "systemd-cgroup" _ FLAG, "Have systemd make the container's control group: a transient scope, in system.slice or, for an ordinary user, user.slice.";
    }
    /// The root file system and what is mounted in it.
    FILES "Files" {
        Rootfs "rootfs" _ DIR, "Use DIR as the root file system. It is writable unless --read-only is given. Without this option the root is the host's, read-only.";
        ReadOnly "read-only" _ FLAG, "Make the root file system read-only; /tmp, /run, /dev and volumes stay as they are.";
        ReadWrite "rw" _ FLAG, "Make the host's root file system writable. Dangerous: what runs inside can change the host's files.";
        Volume "volume" 'v' Takes::file("SRC:DST[:OPTIONS]").many(), "Show the host's SRC at DST inside, writable unless OPTIONS say `ro`. Options, with commas: ro rw, bind (not what is mounted below SRC), nosuid nodev noexec nosymfollow noatime, private shared slave and rprivate rshared rslave, z Z. A relative SRC begins with `./` or `../`.";
        MountOption "mount" _ Takes::value("KEY=VALUE[,KEY=VALUE]").many(), "Mount something, for paths that contain colons: type=bind,source=SRC,target=DST and, if wanted, readonly; or type=tmpfs,target=DST with, if wanted, tmpfs-size=SIZE and tmpfs-mode=MODE.";
        Tmpfs "tmpfs" _ Takes::value("DST[:OPTIONS]").many(), "Mount an empty file system in memory at DST. It is nosuid, nodev and noexec unless OPTIONS say suid, dev or exec; also ro, size=SIZE, mode=MODE, uid=N, gid=N, nr_inodes=N, tmpcopyup.";
        ShmSize "shm-size" _ SIZE, "Size of /dev/shm; 64m without this option.";
        Device "device" _ Takes::file("PATH[:INSIDE]").many(), "Make the host's device PATH available, under the name INSIDE if given.";
        Mask "mask" _ Takes::value("PATH").many(), "Hide PATH inside.";
        MountLabel "mount-label" _ Takes::value("CONTEXT"), "SELinux context of the container's file systems.";
        Unmask "unmask" _ Takes::value("PATH").many(), "Do not hide PATH and do not make it read-only; ALL for every one of the usual paths in /proc and /sys.";
    }
    /// The first process.
    PROCESS "Process" {
        Tty "tty" 't' FLAG, "Give the command a terminal of its own.";
        Interactive "interactive" 'i' FLAG, "Accepted because other tools need it: standard input is always passed on.";
        Env "env" 'e' Takes::value("NAME[=VALUE]").many(), "Set a variable. Without a value it is copied from the caller. Nothing else is inherited; PATH and HOME have defaults, and TERM is passed with --tty.";
        Workdir "workdir" 'w' Takes::value("DIR"), "Start in DIR, a path inside; `/` without this option.";
        User "user" 'u' Takes::value("USER[:GROUP]"), "Run as USER and GROUP, numbers or names of the container's own /etc/passwd and /etc/group; root without this option.";
        GroupAdd "group-add" _ Takes::value("GROUP").many(), "Add a supplementary group, a number or a name in the container's `/etc/group`.";
        Umask "umask" _ Takes::value("MODE"), "File mode creation mask, octal; 022 without this option.";
        Ulimit "ulimit" _ Takes::value("NAME=SOFT[:HARD]").many(), "Set a resource limit such as nofile=1024:4096 or core=0; -1 or `unlimited` for none. Others are inherited.";
        OomScoreAdj "oom-score-adj" _ N, "How readily the kernel kills the command when memory runs out: -1000 (never) to 1000.";
    }
    /// Its beginning and end.
    LIFE "Life" {
        Init "init" _ FLAG, "Start a small init, whose child the command is: it passes signals on, waits for orphans and ends with the command's exit code. Without this option the command is the container's first process itself.";
        Timeout "timeout" _ Takes::value("TIME"), "Kill the container after TIME: 30s, 1.5m, 2h.";
    }
    /// A process that joins a running container.
    JOINING "Joining" {
        Detach "detach" 'd' FLAG, "Do not wait for the command's end.";
        IgnorePaused "ignore-paused" _ FLAG, "Join a container also while it is paused; the command runs once it goes on.";
        ProcessFile "process" 'p' FILE, "Take the process from FILE, which has the form of `process` in a config.json, instead of options and a command.";
    }
    /// What whoever calls gets of a process, and gives to it.
    CALLER "Caller" {
        PidFile "pid-file" _ FILE, "Write the command's process number, as the host sees it, to FILE.";
        ConsoleSocket "console-socket" _ FILE, "Send the terminal's master to the socket FILE, instead of copying the terminal.";
        PidfdSocket "pidfd-socket" _ FILE, "Send a pidfd of the process to the socket FILE.";
        PreserveFds "preserve-fds" _ N, "Pass on N descriptors beside the standard ones: 3, 4, 5…";
    }
    /// Who waits for a container.
    WAITING "Waiting" {
        RunDetach "detach" 'd' FLAG, "Do not wait for the container's end: it stays until `delete`.";
    }
    /// How a container is created.
    CREATION "Creation" {
        CreateBundle "bundle" 'b' DIR, "Directory with a config.json or a container.json; the working directory without this option.";
        NoPivot "no-pivot" _ FLAG, "Move the root over / instead of pivoting, for a host whose root is on a ramdisk.";
        NoNewKeyring "no-new-keyring" _ FLAG, "Keep the caller's session keyring.";
    }
    /// Which containers are listed, and how.
    LISTING "Listing" {
        ListFormat "format" 'f' TABLE, "Form of the list: `table` (the default) or `json`.";
        Quiet "quiet" 'q' FLAG, "Print names only.";
    }
    /// What becomes of a running container's limits.
    UPDATE "Change" {
        Resources "resources" 'r' FILE, "Read the new limits from FILE, the JSON of a config.json's linux.resources; `-` is standard input. Options count more.";
        CpuBurst "cpu-burst" _ Takes::value("MICROSECONDS"), "CPU time that may be saved up for later periods.";
        CpuIdle "cpu-idle" _ N, "1: run only when nothing else wants the CPU; 0: as usual.";
        CpuRtPeriod "cpu-rt-period" _ Takes::value("MICROSECONDS"), "Length of a period of real-time scheduling (cgroup v1 only).";
        CpuRtRuntime "cpu-rt-runtime" _ Takes::value("MICROSECONDS"), "Real-time CPU time in each such period (cgroup v1 only).";
        KernelMemory "kernel-memory" _ SIZE, "At most this much memory of the kernel's (cgroup v1, before Linux 5.16).";
        KernelMemoryTcp "kernel-memory-tcp" _ SIZE, "At most this much memory for TCP buffers (cgroup v1 only).";
        L3CacheSchema "l3-cache-schema" _ Takes::value("SCHEMA"), "Refused: no Intel RDT group is changed.";
        MemBwSchema "mem-bw-schema" _ Takes::value("SCHEMA"), "Refused: no Intel RDT group is changed.";
    }
    /// What is told of a running container.
    EVENTS "Events" {
        Stats "stats" _ FLAG, "Tell the statistics once, and end.";
        Interval "interval" _ Takes::value("TIME"), "Tell them so often: 5s (the default), 500ms, 1m.";
    }
    /// How processes are listed.
    PROCESSES "Listing" {
        PsFormat "format" 'f' TABLE, "Form of the list: `table` (the default) or `json`.";
    }
    /// Who gets a signal.
    SIGNALLING "Signal" {
        KillAll "all" 'a' FLAG, "Send it to every process of the container, not to its first only.";
    }
    /// Who the container is and what it shares.
    ISOLATION "Isolation" {
        Name "name" _ Takes::value("ID"), "Name of the container; made up without this option.";
        Hostname "hostname" _ Takes::value("NAME"), "Host name inside; `nsplan` without this option.";
        Domainname "domainname" _ Takes::value("NAME"), "NIS domain name inside.";
        Net "net" _ Takes::words("NS", &["none", "host"]), "Network: `none` (a loopback interface only, the default), `host` (the host's, with all its sockets), or ns:PATH to join one.";
        Pid "pid" _ NS, "Processes: `private` (the default), `host` (all of the host's are visible), or ns:PATH to join.";
        Ipc "ipc" _ NS, "System V IPC and message queues: `private` (the default), `host`, or ns:PATH.";
        Uts "uts" _ NS, "Host name: `private` (the default), `host`, or ns:PATH.";
        CgroupNs "cgroupns" _ NS, "View of control groups: `private` (the default), `host`, or ns:PATH.";
        UserNs "userns" _ NS, "User ids: `private` (the default for an ordinary user), `host` (the default for root), or ns:PATH.";
        UidMap "uidmap" _ IDS, "Map COUNT user ids from INSIDE to those from OUTSIDE, in a user namespace. Without --gidmap, groups are mapped alike.";
        GidMap "gidmap" _ IDS, "Map group ids; without --uidmap, users are mapped alike.";
        Seccomp "seccomp" _ Takes::value("FILE"), "Filter system calls by a profile as it is written at `linux.seccomp` in a config.json.";
        Sysctl "sysctl" _ Takes::value("NAME=VALUE").many(), "Set a kernel parameter of the container's namespaces, such as net.ipv4.ip_forward=1.";
    }
    /// Privileges.
    PRIVILEGES "Privileges" {
        CapAdd "cap-add" _ CAP, "Add a capability such as NET_ADMIN to the usual ones, or ALL.";
        CapDrop "cap-drop" _ CAP, "Remove a capability, or ALL; what --cap-add names is added afterwards.";
        NoNewPrivileges "no-new-privileges" _ Takes::Maybe("BOOL"), "Whether set-user-id programs are without effect inside: true (the default) or false.";
        Apparmor "apparmor" _ Takes::value("PROFILE"), "AppArmor profile of the command.";
        ProcessLabel "process-label" _ Takes::value("CONTEXT"), "SELinux context of the command.";
    }
    /// Limits; the first of them puts the container into a control group of its own.
    LIMITS "Limits" {
        Memory "memory" 'm' SIZE, "At most this much memory: 512m, 1.5g.";
        MemorySwap "memory-swap" _ SIZE, "At most this much memory and swap together; -1 for no limit.";
        MemoryReservation "memory-reservation" _ SIZE, "Reclaim memory above this when it is short.";
        MemorySwappiness "memory-swappiness" _ N, "Tendency to swap, 0 to 100 (cgroup v1 only).";
        Cpus "cpus" _ N, "At most this many CPUs' worth of time: 2, 0.5.";
        CpuShares "cpu-shares" 'c' N, "Weight against others when CPUs are busy, 2 to 262144; 1024 is usual.";
        CpuQuota "cpu-quota" _ Takes::value("MICROSECONDS"), "CPU time in each period, instead of --cpus; -1 for no limit.";
        CpuPeriod "cpu-period" _ Takes::value("MICROSECONDS"), "Length of that period.";
        CpusetCpus "cpuset-cpus" _ Takes::value("LIST"), "Run on these CPUs only: 0-3,8.";
        CpusetMems "cpuset-mems" _ Takes::value("LIST"), "Use memory of these NUMA nodes only.";
        PidsLimit "pids-limit" _ N, "At most this many processes and threads; -1 for no limit.";
        BlkioWeight "blkio-weight" _ N, "Weight of disk access against others, 10 to 1000.";
        CgroupConf "cgroup-conf" _ Takes::value("FILE=VALUE").many(), "Write VALUE to FILE of the cgroup (v2 only), such as memory.high=1073741824.";
        CgroupParent "cgroup-parent" _ Takes::value("PATH"), "Make the control group below PATH, counted from the top of the hierarchy.";
    }
    /// Where a container is described.
    BUNDLE "Bundle" {
        Bundle "bundle" 'b' DIR, "Directory with a config.json or a container.json.";
    }
    /// What a new `config.json` is for.
    TEMPLATE "Template" {
        SpecBundle "bundle" 'b' DIR, "Directory to write it to; the working directory without this option.";
        SpecRootless "rootless" _ FLAG, "For a container that its owner starts without privilege: in a user namespace with the caller as root, without cgroups.";
    }
    /// What `plan` is about.
    PLANNING "Planning" {
        ConfigFile "config" 'f' FILE, "Plan this configuration file instead of do's options.";
        Json "json" _ FLAG, "Print the plan as JSON.";
        Host "host" _ Takes::file("FACTS.json"), "Plan for the host these facts are about (`nsplan probe` prints them) instead of this one.";
    }
    /// How a configuration is printed.
    PRINTING "Printing" {
        Format "format" _ Takes::words("FORMAT", &["canonical", "libcontainer"]), "Form of the output: `canonical` (the default; what pointers in plans and errors refer to) or `libcontainer`.";
    }
    /// How a container is deleted.
    DELETION "Deletion" {
        Force "force" _ FLAG, "Kill the container first if it is running, and finish what an interrupted command left undone.";
    }
}
