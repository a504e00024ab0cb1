//! The table of verbs, their texts and examples, and of what other tools' options are called here.
//!
//! Pure.

use super::options::{
    BUNDLE, DELETION, FILES, GLOBAL, ISOLATION, JOINING, LIFE, LIMITS, LISTING, PLANNING, PRINTING,
    PRIVILEGES, PROCESS, PROCESSES, SIGNALLING, TEMPLATE,
};
use super::spec::{Complete, Operands, Tool, Verb, VerbId};

/// The shells that completions are made for.
pub const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// Exit codes of nsplan itself; everything else is the program's own.
pub const EXIT_CODES: &[(&str, &str)] = &[
    ("125", "the launcher itself failed; the reason is on standard error"),
    ("126", "the program was found but could not be executed"),
    ("127", "the program was not found"),
    ("128+N", "the program was killed by signal N"),
];

/// All verbs, in the order of help.
pub static VERBS: [Verb; 18] = [
    Verb {
        id: VerbId::Do,
        name: "do",
        usage: &["[OPTIONS] [--] COMMAND [ARGUMENT…]"],
        summary: "run a command in a fresh container",
        about: &[
            "Runs COMMAND in a container of its own. No file and no image is needed: the host's files are there, read-only, with private /proc, /dev, /sys, /tmp and /run. Processes, network, host name, IPC and control groups are the container's own; the network has a loopback interface only. It works for root and for an ordinary user, who is root inside, and inside only.",
            "Options end at the first word of the command, so the command's own options need no `--`. Of an option that is given twice the last counts, unless help marks it as one that adds up.",
        ],
        examples: &[
            ("do sh", "a shell; host files are read-only"),
            ("do -v ./out:/out make -C /src", "only ./out is writable"),
            ("do -m 512m --cpus 0.5 --pids-limit 100 ./job", "with limits"),
            ("do -t --rootfs ./alpine sh", "a shell in another file system"),
            ("do --net host --user 1000 curl example.org", "with the host's network"),
            ("plan -- ls", "every step of `do ls`, not done"),
        ],
        groups: &[&FILES, &PROCESS, &LIFE, &ISOLATION, &PRIVILEGES, &LIMITS],
        operands: Operands::Command { before: 0, required: true },
        complete: Complete::Files,
    },
    Verb {
        id: VerbId::Run,
        name: "run",
        usage: &["--bundle DIR ID [--] [COMMAND [ARGUMENT…]]"],
        summary: "run the container that a bundle describes",
        about: &[
            "Runs a container as the bundle describes it, and waits for its end. A bundle is a directory with an OCI config.json, or else with libcontainer's container.json, which names no command: without one, `sh` is run.",
            "ID names the container while it runs: 1 to 255 letters, digits and `_ . + -`.",
        ],
        examples: &[
            ("run --bundle ./web web1", "what the bundle says"),
            ("run -b ./web web1 httpd -f", "a server"),
        ],
        groups: &[&BUNDLE],
        operands: Operands::Command { before: 1, required: false },
        complete: Complete::Files,
    },
    Verb {
        id: VerbId::Plan,
        name: "plan",
        usage: &[
            "--config FILE [--] [COMMAND…]",
            "--bundle DIR [--] [COMMAND…]",
            "[OPTIONS OF do] [--] COMMAND [ARGUMENT…]",
        ],
        summary: "show every step of a start, without doing any",
        about: &[
            "Prints the plan that `run` or `do` would carry out: every system call that changes something, who makes it, and how it is undone. Nothing is changed and no privilege is needed.",
            "With --host it plans for another machine, from facts that `nsplan probe` printed there.",
        ],
        examples: &[
            ("plan -- sh", "the plan of `do sh`"),
            ("plan --json -m 1g -- sh", "as JSON"),
            ("plan --config web/container.json --host debian.json", "for another machine"),
        ],
        groups: &[&PLANNING, &BUNDLE, &FILES, &PROCESS, &LIFE, &ISOLATION, &PRIVILEGES, &LIMITS],
        operands: Operands::Command { before: 0, required: false },
        complete: Complete::Files,
    },
    Verb {
        id: VerbId::Probe,
        name: "probe",
        usage: &[""],
        summary: "print what a plan needs to know about this host",
        about: &[
            "Prints as JSON what is true of this host and of the caller: kernel features, control groups, granted ids, security modules, mounts. A report of a fault needs this and the configuration, nothing else.",
        ],
        examples: &[("probe > host.json", "for `plan --host host.json`")],
        groups: &[],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Config,
        name: "config",
        usage: &["[--format FORMAT] FILE"],
        summary: "check a configuration file and print it in full",
        about: &[
            "Reads FILE, reports everything that is wrong with it by line and column, and prints it with all defaults spelled out.",
        ],
        examples: &[("config container.json", "check and print")],
        groups: &[&PRINTING],
        operands: Operands::Words { least: 1, most: 1 },
        complete: Complete::Files,
    },
    Verb {
        id: VerbId::Spec,
        name: "spec",
        usage: &["[--rootless] [--bundle DIR]"],
        summary: "write a config.json to begin with",
        about: &[
            "Writes an OCI config.json that runs `sh` in the directory `rootfs` beside it, with the usual namespaces, mounts and rights. A file that is there is not overwritten.",
        ],
        examples: &[("spec -b ./web", "then put a root into ./web/rootfs")],
        groups: &[&TEMPLATE],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Exec,
        name: "exec",
        usage: &["[OPTIONS] ID COMMAND [ARGUMENT…]"],
        summary: "run a command in a running container",
        about: &[
            "Runs COMMAND in every namespace and control group of the container ID. User, capabilities, limits, labels, variables and working directory are those of the container's first process, unless options say otherwise. The exit code is the command's.",
        ],
        examples: &[
            ("exec web1 ps", "its processes"),
            ("exec -t -u www web1 sh", "a shell as another user"),
        ],
        groups: &[&PROCESS, &PRIVILEGES, &JOINING],
        operands: Operands::Command { before: 1, required: true },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::List,
        name: "list",
        usage: &["[--format table|json] [-q]"],
        summary: "list containers",
        about: &[
            "Lists the containers that the state directory knows of, also those that an interrupted command left.",
        ],
        examples: &[("list -q", "names only")],
        groups: &[&LISTING],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::State,
        name: "state",
        usage: &["ID"],
        summary: "print the state of a container as JSON",
        about: &["Prints the state in the form of the OCI runtime specification."],
        examples: &[("state web1", "id, status, pid, bundle")],
        groups: &[],
        operands: Operands::Words { least: 1, most: 1 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Kill,
        name: "kill",
        usage: &["[--all] ID [SIGNAL]"],
        summary: "send a signal to a container",
        about: &[
            "Sends SIGNAL, a name or a number, TERM if none is given, to the container's first process. In a pid namespace of its own that process gets only signals it handles, and KILL and STOP.",
        ],
        examples: &[("kill web1 HUP", "by name"), ("kill -a web1 9", "every process")],
        groups: &[&SIGNALLING],
        operands: Operands::Words { least: 1, most: 2 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Ps,
        name: "ps",
        usage: &["[--format table|json] ID"],
        summary: "list the processes of a container",
        about: &[
            "Prints the numbers of the container's processes, as the host sees them. It needs a control group of its own for more than the first.",
        ],
        examples: &[("ps -f json web1", "as JSON")],
        groups: &[&PROCESSES],
        operands: Operands::Words { least: 1, most: 1 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Pause,
        name: "pause",
        usage: &["ID"],
        summary: "stop all processes of a container",
        about: &[
            "Freezes the container's control group: nothing in it runs until `resume`. What it used and holds stays.",
        ],
        examples: &[("pause web1", "until `resume web1`")],
        groups: &[],
        operands: Operands::Words { least: 1, most: 1 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Resume,
        name: "resume",
        usage: &["ID"],
        summary: "let a paused container go on",
        about: &["Thaws the container's control group."],
        examples: &[("resume web1", "after `pause web1`")],
        groups: &[],
        operands: Operands::Words { least: 1, most: 1 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Delete,
        name: "delete",
        usage: &["[--force] ID"],
        summary: "remove what a container left behind",
        about: &[
            "Finishes the undo of a container whose command was interrupted: control groups, interfaces and state go. A running container is left alone unless --force is given.",
        ],
        examples: &[("delete --force web1", "stop it and clean up")],
        groups: &[&DELETION],
        operands: Operands::Words { least: 1, most: 1 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Features,
        name: "features",
        usage: &[""],
        summary: "print what this runtime can do, as engines read it",
        about: &[
            "Prints the features document of the OCI runtime specification: the words of a config.json that are understood and carried out, whatever this host has.",
        ],
        examples: &[("features", "hooks, mount options, filters, …")],
        groups: &[],
        operands: Operands::Words { least: 0, most: 0 },
        complete: Complete::Nothing,
    },
    Verb {
        id: VerbId::Help,
        name: "help",
        usage: &["[VERB]"],
        summary: "show help, also that of a verb",
        about: &[],
        examples: &[("help do", "the options of `do`")],
        groups: &[],
        operands: Operands::Words { least: 0, most: 1 },
        complete: Complete::Words(VERB_NAMES),
    },
    Verb {
        id: VerbId::Completions,
        name: "completions",
        usage: &["bash|zsh|fish"],
        summary: "print a completion script for a shell",
        about: &[],
        examples: &[("completions bash > /etc/bash_completion.d/nsplan", "install it")],
        groups: &[],
        operands: Operands::Words { least: 1, most: 1 },
        complete: Complete::Words(SHELLS),
    },
    Verb {
        id: VerbId::Man,
        name: "man",
        usage: &["[VERB]"],
        summary: "print a manual page",
        about: &[],
        examples: &[("man do | man -l -", "read the page of `do`")],
        groups: &[],
        operands: Operands::Words { least: 0, most: 1 },
        complete: Complete::Words(VERB_NAMES),
    },
];

/// The whole command line.
pub static NSPLAN: Tool = Tool {
    name: "nsplan",
    summary: "starts Linux containers from a plan that can be read before it runs",
    examples: &[
        ("do sh", "a shell; the host's files are read-only"),
        ("plan -- sh", "every step of that, without doing any"),
        ("help do", "all that can be asked for"),
    ],
    verbs: &VERBS,
    global: &GLOBAL,
    exit_codes: EXIT_CODES,
    runs: "do",
    aliases: ALIASES,
    foreign: FOREIGN,
    foreign_in: &["do", "plan"],
};

/// Names of all verbs.
pub const VERB_NAMES: &[&str] = &[
    "do",
    "run",
    "plan",
    "probe",
    "config",
    "spec",
    "exec",
    "list",
    "state",
    "kill",
    "ps",
    "pause",
    "resume",
    "delete",
    "features",
    "help",
    "completions",
    "man",
];

/// Other spellings of options.
pub const ALIASES: &[(&str, &str)] = &[
    ("network", "net"),
    ("cwd", "workdir"),
    ("cap", "cap-add"),
    ("additional-gids", "group-add"),
    ("no-new-privs", "no-new-privileges"),
];

/// Options of other tools that mean something nsplan does differently or not at all, and what to do instead.
pub const FOREIGN: &[(&str, &str)] = &[
    ("add-host", "bind a hosts file: -v ./hosts:/etc/hosts:ro"),
    ("bind", "use -v SRC:DST"),
    ("chdir", "use -w DIR"),
    ("chroot", "use --rootfs DIR"),
    (
        "detach",
        "nsplan stays in the foreground; let a service manager or `&` put it in the background",
    ),
    ("dev", "a private /dev is always there; --device adds to it"),
    ("dev-bind", "use --device PATH for a node"),
    ("die-with-parent", "that is always so"),
    ("dns", "bind a resolv.conf: -v ./resolv.conf:/etc/resolv.conf:ro"),
    ("entrypoint", "the words after the options are the command, there is no image to override"),
    ("env-file", "use -e NAME=VALUE for each, or `env $(cat FILE) nsplan do -e NAME …`"),
    ("fork", "that is always so"),
    ("ip", "nsplan do has no interface but loopback; describe others in a container.json"),
    ("map-root-user", "that is the default for an ordinary user; root says --userns private"),
    ("mount-proc", "a private /proc is always there"),
    ("new-session", "that is always so"),
    (
        "privileged",
        "name what is needed instead: --cap-add, --device, --unmask, --net host; all but everything is --cap-add ALL --unmask ALL",
    ),
    ("proc", "a private /proc is always there"),
    ("publish", "use --net host, or describe an interface in a container.json"),
    ("pull", "there are no images; give a directory with --rootfs DIR"),
    ("restart", "let a service manager restart it"),
    ("rm", "that is always so: nothing stays"),
    ("ro-bind", "use -v SRC:DST:ro"),
    ("runtime", "nsplan is the runtime"),
    ("security-opt", "use --no-new-privileges, --apparmor, --process-label, --mask or --unmask"),
    ("setenv", "use -e NAME=VALUE"),
    ("share-net", "use --net host"),
    ("stop-signal", "nsplan passes on the signals it gets"),
    ("unshare-all", "that is the default"),
    ("unshare-net", "that is the default"),
    ("unshare-user", "use --userns private"),
    ("volumes-from", "use -v SRC:DST"),
];
