# apt.sh: a Debian suite → apt in the cache that knows this suite alone. Sourced.
#
# The mirror is the one of the machine's own apt sources; its signatures are checked, only that an old suite's index
# lapsed is forgiven.

# use_suite CACHE SUITE: makes apt commands look at that suite and nothing else
use_suite() {
  local cache=$1 suite=$2 here source uri apt
  apt=$cache/apt
  mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial "$cache/debs"
  # shellcheck disable=SC1091
  here=$(. /etc/os-release && echo "$VERSION_CODENAME")
  case $suite in *-security) source=$here-security ;; *) source=$here ;; esac
  # shellcheck disable=SC2016
  uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Identifier: Packages' |
    awk -v r="$source" '$2 == r && !seen { print $1; seen = 1 }')
  [ -n "$uri" ] || { echo "no apt source for \`$source\` on this machine; packages come from a Debian mirror" >&2; return 1; }
  echo "deb $uri $suite main" > "$apt/$suite.list"
  cat > "$apt/$suite.conf" << C
Dir::Etc::SourceList "$apt/$suite.list"; Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$apt/lists"; Dir::State::status "/dev/null"; Dir::Cache "$apt/cache"; APT::Sandbox::User "";
APT::Get::List-Cleanup "false";
Acquire::Languages "none"; Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3"; Acquire::Check-Valid-Until "false";
C
  export APT_CONFIG=$apt/$suite.conf
  apt-get update -qq -o APT::Update::Error-Mode=any || { echo "no index of suite \`$suite\`" >&2; return 1; }
}
