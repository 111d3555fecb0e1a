package nfttool

const usage = `Usage: sluice nft [options] [commands...]

  -h, --help                  this text
  -v, --version  -V           the version of nft that is spoken

What to do:
  -f, --file FILE             read commands from FILE, - is standard input
  -D, --define NAME=VALUE     define a variable
  -I, --includepath DIR       look for included files in DIR too
  -c, --check                 only say whether it would work

What lists look like:
  -a, --handle                with handles
  -s, --stateless             without values of counters and quotas
  -t, --terse                 without elements of sets
  -S, --service               ports by name
  -u, --guid                  users and groups by name
  -n, --numeric               everything by number
  -y, --numeric-priority      priorities of chains by number
  -p, --numeric-protocol      transport protocols by number
  -T, --numeric-time          times in seconds

What is said besides:
  -e, --echo                  show what was added, inserted or replaced
  -j, --json                  speak JSON
  --stats                     how long the change took, and what the rules before judged

  --control PATH              speak with the box whose control socket is PATH

Not supported: -i, -o, -N, -d.
`
