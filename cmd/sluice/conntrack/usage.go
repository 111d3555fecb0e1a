package conntrack

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// The tool's names, which scripts look for.
const (
	programName = "conntrack"
	toolVersion = "1.4.7"
	banner      = programName + " v" + toolVersion + " (conntrack-tools): "
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Error is what ends a command line, with the tool's text and exit status.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string { return e.Text }

// usagef is an error in the command line.
func usagef(format string, args ...any) error {
	return &Error{exitUsage, fmt.Sprintf(format, args...)}
}

// failf is any other error.
func failf(format string, args ...any) error {
	return &Error{exitFailed, fmt.Sprintf(format, args...)}
}

// print writes the error as the tool does.
func (e *Error) print(stderr io.Writer) {
	fmt.Fprintf(stderr, "%s%s\n", banner, e.Text)
	if e.Status == exitUsage {
		fmt.Fprintf(stderr, "Try `%s -h' or '%s --help' for more information.\n", programName, programName)
	}
}

// errorText is what the C library says of an error.
func errorText(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, conntracktext.ErrNoLabels):
		return "Success"
	case errors.As(err, &errno):
		return errnoText(errno)
	}
	return err.Error()
}

// libraryTexts are the C library's words where those of Go differ in more than
// the first letter.
var libraryTexts = map[syscall.Errno]string{
	syscall.EOPNOTSUPP: "Operation not supported",
	syscall.EBUSY:      "Device or resource busy",
}

func errnoText(errno syscall.Errno) string {
	if text, ok := libraryTexts[errno]; ok {
		return text
	}
	text := []byte(errno.Error())
	if len(text) > 0 && text[0] >= 'a' && text[0] <= 'z' {
		text[0] -= 'a' - 'A'
	}
	return string(text)
}

// Failure is what the tool says of an error number after a verb.
func Failure(errno syscall.Errno, verb Verb) string {
	is := func(verbs ...Verb) bool {
		for _, v := range verbs {
			if v == verb {
				return true
			}
		}
		return false
	}
	switch {
	case errno == syscall.EPERM:
		return "sorry, you must be root or get CAP_NET_ADMIN capability to do this"
	case errno == syscall.EINVAL:
		return "invalid parameters"
	case errno == syscall.EEXIST && is(Create):
		return "Such conntrack exists, try -U to update"
	case errno == syscall.ENOENT && is(Create, Get, Delete, Add):
		return "such conntrack doesn't exist"
	case errno == syscall.ENOMEM && is(Create, Get, Add):
		return "not enough memory"
	case errno == syscall.EAFNOSUPPORT && is(Get):
		return "protocol not supported"
	case errno == syscall.ETIME && is(Create, Add):
		return "conntrack has expired"
	case errno == syscall.ENOENT && is(CreateExpect):
		return "master conntrack not found"
	}
	return errnoText(errno)
}

// closings are the tool's last lines, with how many entries there were. Verbs
// without one have none.
var closings = [verbs]string{
	List: "%d flow entries have been shown.\n", Create: "%d flow entries have been created.\n",
	Update: "%d flow entries have been updated.\n", Delete: "%d flow entries have been deleted.\n",
	Get: "%d flow entries have been shown.\n", Events: "%d flow events have been shown.\n",
	ListExpect: "%d expectations have been shown.\n", DeleteExpect: "%d expectations have been shown.\n",
	EventsExpect: "%d expectation events have been shown.\n", Add: "%d flow entries have been added.\n",
}

// usage is what -h prints.
const usage = `Usage: sluice conntrack COMMAND [TABLE] [OPTION]...
Lists, watches and changes the connections of the running box as conntrack ` + toolVersion + ` does.

Commands (TABLE is conntrack, the default, or expect; with -L also dying and unconfirmed):
  -L  list            -G  show one         -E  show events until interrupted
  -I  make            -A  make if absent   -U  change     -D  delete
  -F  delete all      -C  count            -S  counters of each worker
  -R FILE             the commands -I -A -U -D -F of a file, a line each; - is standard input
  --invalid           named reasons for which packets were INVALID, with counts
  -V  version         -h  this text; with -p PROTOCOL also its options

Which connections, or what of the one to make:
  -s, -d ADDRESS[/LENGTH]   source and destination of the original direction; --mask-src, --mask-dst MASK
  -r, -q ADDRESS            source and destination of the reply direction
  -p PROTOCOL               name or number; ports and so on follow it
  -f ipv4|ipv6              family
  -u WORD[,WORD]...         status: ASSURED SEEN_REPLY FIXED_TIMEOUT EXPECTED UNSET UNREPLIED; ! negates
  -m MARK[/MASK]            mark; with -U the new one, MASK being the bits it replaces
  -w ZONE                   zone; --orig-zone, --reply-zone for one direction
  -l NAME[,NAME]...         labels
  -n, -g, -j [ADDRESS[:PORT]]  translated source, destination, either
  --tuple-src, --tuple-dst ADDRESS  what is expected
To change:
  -t SECONDS                timeout
  --label-add NAMES, --label-del [NAMES]
Output:
  -o WORD[,WORD]...         extended id ktimestamp timestamp labels xml save userspace; or json
  -z                        zero the counters that are listed
  -e WORD[,WORD]...         events: ALL NEW UPDATES DESTROY
  --control PATH            control socket of the box
`
