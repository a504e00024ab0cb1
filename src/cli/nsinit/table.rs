//! The tables of `nsinit`: verbs and options under the names that they had in libcontainer's program of 2015.
//!
//! Pure. An option that is one of `nsplan`'s too has the same id and so the same meaning; its name and help are its own.

use super::super::options::group;
use super::super::spec::{Complete, Operands, Takes, Tool, Verb};
use super::super::verbs::{EXIT_CODES, SHELLS};

/// Which verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// `exec`
    Exec,
    /// `config`
    Config,
    /// `state`
    State,
    /// `stats`
    Stats,
    /// `oom`
    Oom,
    /// `pause`
    Pause,
    /// `unpause`
    Unpause,
    /// `checkpoint`
    Checkpoint,
    /// `restore`
    Restore,
    /// `init`
    Init,
    /// `help`
    Help,
    /// `completions`
    Completions,
    /// `man`
    Man,
}

/// Name of the container where `--id` says none.
pub const DEFAULT_ID: &str = "nsinit";

const FLAG: Takes = Takes::Nothing;
const DIR: Takes = Takes::directory("DIR");
const FILE: Takes = Takes::file("FILE");
const NS: Takes = Takes::words("NS", &["private", "host"]);
const TEXT: Takes = Takes::value("TEXT");
const SIZE: Takes = Takes::value("SIZE");
const N: Takes = Takes::value("N");
const LIST: Takes = Takes::value("LIST");
const ADDRESS: Takes = Takes::value("ADDRESS");

group! {
    /// Before or after the verb.
    GLOBAL "Global options" {
        Help "help" 'h' FLAG, "Show help, also that of a verb.";
        Root "root" _ DIR, "Keep the state of containers in DIR instead of /run/nsinit, or $XDG_RUNTIME_DIR/nsinit for an ordinary user.";
        LogFile "log-file" _ FILE, "Append what would go to standard error (the reason of a failure, the plan of --debug) to FILE instead.";
        Debug "debug" _ FLAG, "Print the plan before it is carried out, and more about errors.";
    }
    /// Which container.
    CONTAINER "Container" {
        Name "id" _ Takes::value("ID"), "Name of the container; `nsinit` without this option.";
    }
    /// Where a container is described.
    SOURCE "Configuration" {
        ConfigFile "config" _ FILE, "Take the configuration from FILE, a container.json of any generation. Without this option it is the container.json in the directory that the variable data_path names, or in the current one; where there is none, the options below make one.";
    }
    /// The process that is started.
    PROCESS "Process" {
        Tty "tty" 't' FLAG, "Give the program a terminal of its own.";
        User "user" 'u' Takes::value("USER[:GROUP]"), "Run as USER and GROUP, numbers or names of the container's own /etc/passwd and /etc/group.";
        Workdir "cwd" _ Takes::value("DIR"), "Start in DIR, a path inside.";
        Env "env" _ Takes::value("NAME[=VALUE]").many(), "Set a variable. Without a value it is copied from the caller.";
        Init "init" _ FLAG, "Start a small init, whose child the program is: it passes signals on, waits for orphans and ends with the program's exit code.";
    }
    /// Who makes the container's control group.
    DRIVER "Control group" {
        SystemdCgroup "systemd" _ FLAG, "Have systemd make the control group of a new container: a transient scope, in system.slice or, for an ordinary user, user.slice, unless the configuration names another slice.";
    }
    /// What is done in a container.
    FUNCTION "Functions" {
        Func "func" _ Takes::words("NAME", &["exec"]), "What is done: `exec`, run a program. The original's other functions are not done any more; --list says what to do instead.";
        ListFunctions "list" _ FLAG, "List the functions.";
    }
    /// The container that is made without a configuration.
    TEMPLATE "Container without a configuration" {
        Rootfs "rootfs" _ DIR, "Use DIR as the root file system; the current directory without this option.";
        ReadOnly "read-only" _ FLAG, "Make the root file system read-only.";
        Hostname "hostname" _ Takes::value("NAME"), "Host name inside; `nsinit` without this option.";
        Volume "bind" _ Takes::file("SRC:DST[:ro|rw]").many(), "Show the host's SRC at DST inside, writable unless `ro` is said.";
        CgroupMount "cgroup" _ FLAG, "Show the container's own control groups at /sys/fs/cgroup, read-only.";
        Tmpfs "tmpfs" _ Takes::value("DST").many(), "Mount an empty file system in memory at DST.";
        Sysctl "sysctl" _ Takes::value("NAME=VALUE").many(), "Set a kernel parameter of the container's namespaces.";
        ParentDeathSignal "parent-death-signal" _ Takes::value("SIGNAL"), "Signal the program gets when nsinit dies, by name or number; KILL without this option, 0 for none.";
    }
    /// Its namespaces.
    NAMESPACES "Namespaces" {
        Ipc "ipc" _ NS, "`private` (a new one, the default), `host` (the caller's), or the path of one to join. So for all of these.";
        Mnt "mnt" _ NS, "Mounts.";
        Net "net" _ NS, "Network; a new one has a loopback interface.";
        Pid "pid" _ NS, "Processes.";
        Uts "uts" _ NS, "Host name.";
        UsernsRootUid "userns-root-uid" _ Takes::value("UID"), "A new user namespace whose root is UID outside; the ids around UID stay as they are.";
    }
    /// Its network interface.
    NETWORK "Network interface" {
        VethBridge "veth-bridge" _ Takes::value("NAME"), "Make a pair of interfaces, one end in this bridge of the host, the other eth0 inside.";
        VethAddress "veth-address" _ ADDRESS, "Address of eth0 with the length of its network, 172.17.0.101/16.";
        VethGateway "veth-gateway" _ ADDRESS, "Default gateway inside.";
        VethMtu "veth-mtu" _ N, "Largest packet of eth0, in bytes; the kernel's without this option.";
    }
    /// Its privileges.
    PRIVILEGES "Privileges" {
        Security "security" _ Takes::words("LEVEL", &["high", "medium", "low"]), "Which capabilities the container has: `low` (the usual 14, the default), `medium` (without MKNOD, NET_RAW and SYS_CHROOT; packages can be installed), `high` (AUDIT_WRITE, KILL and NET_BIND_SERVICE only).";
        Apparmor "apparmor-profile" _ TEXT, "AppArmor profile of the program.";
        ProcessLabel "process-label" _ TEXT, "SELinux context of the program.";
        MountLabel "mount-label" _ TEXT, "SELinux context of the container's file systems.";
        GroupAdd "groups" _ Takes::value("GROUP[,GROUP]").many(), "Supplementary groups, numbers or names in the container's `/etc/group`.";
    }
    /// Its limits.
    LIMITS "Limits" {
        CpuShares "cpushares" _ N, "Weight against others when CPUs are busy, 2 to 262144.";
        CpusetCpus "cpuset-cpus" _ LIST, "Run on these CPUs only: 0-3,8.";
        CpusetMems "cpuset-mems" _ LIST, "Use memory of these NUMA nodes only.";
        Memory "memory-limit" _ SIZE, "At most this much memory: bytes, 512m, 1.5g.";
        MemorySwap "memory-swap" _ SIZE, "At most this much memory and swap together; -1 for no limit.";
    }
    /// Where a configuration is written to.
    OUTPUT "Output" {
        OutputFile "file" 'f' FILE, "Write to FILE instead of standard output.";
    }
}

/// All verbs, in the order of help.
pub static VERBS: [Verb<Command>; 13] = [
    Verb {
        id: Command::Exec,
        name: "exec",
        usage: &["[OPTIONS] PROGRAM [ARGUMENT…]", "--list"],
        summary: "run a program in a new container, or in a running one",
        about: &[
            "Runs PROGRAM and waits for its end. If a container of this name runs, the program joins it; else one is started for it, as the configuration says, or the options below where there is none.",
            "Options end at the first word of the program, so the program's own options need no `--`.",
            "A container and everything that joined it ends with its first program.",
        ],
        examples: &[
            ("exec sh", "as ./container.json says"),
            ("exec --rootfs ./alpine -t sh", "a terminal in another root"),
            ("exec --config web.json --id web httpd -f", "a server"),
            ("exec --id web -t sh", "a shell beside it, while it runs"),
        ],
        groups: &[
            &CONTAINER,
            &SOURCE,
            &PROCESS,
            &DRIVER,
            &FUNCTION,
            &TEMPLATE,
            &NAMESPACES,
            &NETWORK,
            &PRIVILEGES,
            &LIMITS,
        ],
        operands: Operands::Command { before: 0, required: false },
        complete: Complete::Files,
    },
    Verb {
        id: Command::Config,
        name: "config",
        usage: &["[OPTIONS]"],
        summary: "print a configuration",
        about: &[
            "Prints the configuration that `exec` would start a container of: the file, checked, or one made of the options, in the form of libcontainer 2.2.1.",
        ],
        examples: &[
            ("config --memory-limit 1g > container.json", "a new one"),
            ("config --config old.json", "an old one, checked"),
        ],
        groups: &[
            &CONTAINER,
            &SOURCE,
            &OUTPUT,
            &TEMPLATE,
            &NAMESPACES,
            &NETWORK,
            &PRIVILEGES,
            &LIMITS,
        ],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::State,
        name: "state",
        usage: &["[--id ID]"],
        summary: "print what a running container is",
        about: &[
            "Prints as JSON its name, its first process and when that started, its control groups, its namespaces and its interfaces on the host.",
        ],
        examples: &[("state --id web", "of one")],
        groups: &[&CONTAINER],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::Stats,
        name: "stats",
        usage: &["[--id ID]"],
        summary: "print what a running container uses",
        about: &[
            "Prints as JSON the statistics of its network, as the container sees it, and of its control groups, under libcontainer's names.",
        ],
        examples: &[("stats --id web", "of one")],
        groups: &[&CONTAINER],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::Oom,
        name: "oom",
        usage: &["[--id ID]"],
        summary: "report when a running container runs out of memory",
        about: &["Prints a line each time it does, until the container is gone."],
        examples: &[("oom --id web", "of one")],
        groups: &[&CONTAINER],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::Pause,
        name: "pause",
        usage: &["[--id ID]"],
        summary: "stop all processes of a running container",
        about: &["They go on with `unpause`."],
        examples: &[("pause --id web", "stop them")],
        groups: &[&CONTAINER],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::Unpause,
        name: "unpause",
        usage: &["[--id ID]"],
        summary: "let the processes of a paused container go on",
        about: &[],
        examples: &[("unpause --id web", "they go on")],
        groups: &[&CONTAINER],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::Checkpoint,
        name: "checkpoint",
        usage: &["[--id ID]"],
        summary: "not done: containers are not written to disk",
        about: &[CRIU],
        examples: &[],
        groups: &[&CONTAINER],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::Restore,
        name: "restore",
        usage: &["[--id ID]"],
        summary: "not done: containers are not read from disk",
        about: &[CRIU],
        examples: &[],
        groups: &[&CONTAINER],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::Init,
        name: "init",
        usage: &[""],
        summary: "become a container's first process; not for use by hand",
        about: &[
            "What a program that embeds the library in the style of 2015 runs inside of new namespaces: it reads the plan from the descriptor that the variable pipe names, carries out its part, and becomes the container's program. `exec` has no need of it.",
        ],
        examples: &[],
        groups: &[],
        operands: Operands::Words { least: 0, most: usize::MAX },
        complete: Complete::Nothing,
    },
    Verb {
        id: Command::Help,
        name: "help",
        usage: &["[VERB]"],
        summary: "show help, also that of a verb",
        about: &[],
        examples: &[("help exec", "the options of `exec`")],
        groups: &[],
        operands: Operands::Words { least: 0, most: 1 },
        complete: Complete::Words(VERB_NAMES),
    },
    Verb {
        id: Command::Completions,
        name: "completions",
        usage: &["bash|zsh|fish"],
        summary: "print a completion script for a shell",
        about: &[],
        examples: &[("completions bash > /etc/bash_completion.d/nsinit", "install it")],
        groups: &[],
        operands: Operands::Words { least: 1, most: 1 },
        complete: Complete::Words(SHELLS),
    },
    Verb {
        id: Command::Man,
        name: "man",
        usage: &["[VERB]"],
        summary: "print a manual page",
        about: &[],
        examples: &[("man exec | man -l -", "read the page of `exec`")],
        groups: &[],
        operands: Operands::Words { least: 0, most: 1 },
        complete: Complete::Words(VERB_NAMES),
    },
];

const VERB_NAMES: &[&str] = &[
    "exec",
    "config",
    "state",
    "stats",
    "oom",
    "pause",
    "unpause",
    "checkpoint",
    "restore",
    "init",
    "help",
    "completions",
    "man",
];

const CRIU: &str = "A container is not its processes alone: control groups, interfaces and the launcher's own watch over them would have to be written down and made again, which no step of a plan does. The program criu can dump the processes of a container by the pid that `nsinit state` prints.";

/// The whole command line.
pub static NSINIT: Tool<Command> = Tool {
    name: "nsinit",
    summary: "starts containers as libcontainer's program of 2015 did, from plans",
    examples: &[
        ("exec sh", "a shell in the current directory, as root file system"),
        ("config > container.json", "the configuration that was"),
        ("help exec", "all that can be asked for"),
    ],
    verbs: &VERBS,
    global: &GLOBAL,
    exit_codes: EXIT_CODES,
    runs: "exec",
    aliases: &[],
    foreign: FOREIGN,
    foreign_in: &["exec", "config"],
};

/// Options of the original that mean something else here or nothing.
const FOREIGN: &[(&str, &str)] = &[
    ("console", "use --tty"),
    ("criu", "`nsinit help checkpoint` says why not"),
    ("nspid", "a running container is found by its --id"),
    ("uid", "use --user"),
    ("rm", "that is always so: nothing stays"),
];
