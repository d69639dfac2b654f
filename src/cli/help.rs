//! The long texts of the help: what a verb is for, by example.

/// What stands under the list of verbs.
pub const AFTER: &str = "\
A first session:
  netwright validate lab.yaml      is the file right?
  netwright plan lab.yaml          what would change on this host?
  netwright apply lab.yaml         show that, ask, do it
  netwright test lab.yaml          do the checks in the file hold?
  netwright destroy lab.yaml       remove it all again

No root at hand? `netwright sandbox` gives you a private host to try all of it in.

Flags are taken with one dash or two: -auto-approve, --auto-approve. FILE may be left out where the \
working folder has exactly one topology.toml, .yaml, .yml or .json; `-` reads standard input, its format given by \
-format.

Exit codes: 0 done, 1 error (declined, failed, invalid, checks that don't hold), 2 with -detailed-exitcode: there \
is a difference.

Environment:
  NETWRIGHT_LOCK_TIMEOUT   how long to wait for another run to end, such as 30s
  NO_COLOR                 no colours, like -no-color";

/// `validate`.
pub const VALIDATE: &str = "\
Examples:
  netwright validate lab.yaml
  netwright validate labs/*.toml
  generate-lab | netwright validate - -format json
  netwright validate lab.yaml -addresses   who has which address
  netwright validate lab.yaml -json        every error with its line and column, as one document";

/// `fmt`.
pub const FMT: &str = "\
Examples:
  netwright fmt lab.yaml                   rewrites it where it is not laid out, and says so
  netwright fmt labs/*.toml -check         exit 1 where one is not, and its name: for CI
  netwright fmt lab.yaml -check -diff      what would change
  netwright fmt - -format yaml < lab.yaml  from an editor

Two blanks a level; maps and lists in brackets on one line of up to 140 characters, or an item a line; at most one \
blank line; IPv6 addresses and words like `no` in quotes. Comments that stand in one column keep doing so. A file with \
an error of syntax is left as it is.";

/// `convert`.
pub const CONVERT: &str = "\
Examples:
  netwright convert lab.toml -to yaml
  netwright convert lab.yaml -o lab.toml
  generate-lab | netwright convert - -format json -to yaml

Comments come along, but to JSON, which has none. Anchors and merge keys of YAML are written out. An entry that says \
nothing (`web:`) is left out of TOML, where it cannot be written.";

/// `plan`.
pub const PLAN: &str = "\
Examples:
  netwright plan lab.yaml
  netwright plan lab.yaml -out lab.plan    save it: `apply lab.plan` does just that, or refuses
  netwright plan lab.yaml -refresh-only    what has changed on this host since the last apply
  netwright plan lab.yaml -target link.web:eth0
                                           only this, and what it needs
  netwright plan lab.yaml -detailed-exitcode
                                           exit 2 where something differs: for a cron job or CI

How to read it: + comes, ~ changes in its place, - goes, -/+ goes and comes again.";

/// `apply`.
pub const APPLY: &str = "\
Examples:
  netwright apply lab.yaml                 shows the plan, asks, does it
  netwright apply lab.plan                 does a saved plan without asking
  netwright apply lab.yaml -auto-approve   for scripts
  netwright apply lab.yaml -name ci-7      a second copy, where the file's prefix is \"${name}-\"

An apply that fails, or is stopped, leaves what it has done so far: the same command goes on from there, `destroy` \
removes it. Undoing it is for a later version.";

/// `destroy`.
pub const DESTROY: &str = "\
Examples:
  netwright destroy lab.yaml
  netwright destroy web-lab                by name: the file need not exist any more
  netwright destroy -all -auto-approve     everything that any topology owns on this host";

/// `test`.
pub const TEST: &str = "\
Examples:
  netwright test lab.yaml
  netwright test web-lab                   by name, as it was applied last
  netwright test lab.yaml -junit out.xml   for CI; exit 1 where a check does not hold
  netwright test lab.yaml -timeout 30s     on a slow machine, or over a slow path";

/// `sandbox`.
pub const SANDBOX: &str = "\
Examples:
  netwright sandbox                        a shell on the private host
  netwright sandbox -- netwright apply lab.yaml -auto-approve
  netwright sandbox -- sh -c 'netwright apply -auto-approve && netwright test'

Whatever happens in there stays in there and vanishes with it. The exit status is the command's.";

/// `list`.
pub const LIST: &str = "\
Examples:
  netwright list
  netwright list -json | jq -r '.topologies[] | select(.state == \"drifted\") | .name'";

/// `show`.
pub const SHOW: &str = "\
Examples:
  netwright show web-lab                   a running lab, as it is now
  netwright show lab.plan                  a saved plan, as `plan` showed it
  netwright show lab.plan -json            the same for a program";

/// `schema`.
pub const SCHEMA: &str = "\
Examples:
  netwright schema > topology.schema.json  for an editor: completion and errors while you write
  netwright schema plan                    what `netwright show PLAN -json` prints";

/// `version`.
pub const VERSION: &str = "\
Examples:
  netwright version
  netwright version -json | jq -r .netwright_version";
