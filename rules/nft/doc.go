// Package nft is the rule language: it reads nftables text, checks it as nft
// 1.0.6 and the kernel do, and lists it back as `nft list ruleset` does.
//
// # What it takes
//
// Tables of the families ip, ip6, inet, bridge and netdev; chains, rules, sets,
// maps, objects and flowtables, in block form or as add, create, insert, delete,
// flush, replace and rename commands that run in order on a state that begins
// empty ([Parse]) or is a rule set already ([Run]); define, redefine, undefine,
// include; and the commands that ask, list, get, reset, monitor and describe, each
// a [Query]. Everything else of nft is refused by name: the message begins with
// "not supported". Nothing is ignored.
//
// # Terms
//
// The parser makes commands of raw expressions, whose types are not known yet.
// The checker applies the commands to a [Ruleset], gives every value its type
// and its bytes, and looks names up. A selector is what a rule reads from the
// packet (`tcp dport`), a right side what it is compared with. A definition
// stands for its raw expression wherever $name is; a set among the elements of
// a set is spliced in.
//
// # Differences from nft
//
//   - In a set with auto-merge, create takes what overlaps other elements or is
//     beside them; nft then fails with an error of its own.
//
//   - Host names are refused; service and protocol names come from a table here.
//
//   - Interfaces named by iif and oif need not exist, unless
//     [ParseOptions].Interface is given, as a running box does: it knows its ports,
//     lo, and what else its network namespace has.
//
//   - `priority dstnat` is taken at output too, as newer versions of nft do.
//
//   - A field of less than a byte in a concatenation, in a set a rule changes or in
//     a map is listed by its name. nft 1.0.6 lists an additional shift, and the
//     elements of some as other values, and does not read that back.
//
//   - `ct state == established | new` is listed with its operator. nft leaves it
//     out, and reads its own listing back as another match.
//
//   - A nat statement reached over a jump from a wrong hook, and a loop, are
//     marked where they stand and not at the base chain's jump.
//
//   - Fields compared together are listed in header order, but never moved over a
//     counter or another statement that does something.
//
//   - `not equal` on two neighbouring fields means that each differs, and flags beside
//     another field (`tcp flags fin,ack tcp window 1`) are tested as they are alone. nft
//     1.0.6 compares both fields at once, flags for being these and no others.
//
//   - What stands behind a match of a set whose elements count is compared behind it;
//     nft 1.0.6 compares it in front, together with a neighbouring field that stands there.
//
//   - `icmpv6 parameter-problem`, as listings have it, is read; nft reads param-problem
//     alone, and not its own listing.
//
//   - In events, sets written in a rule come and go with it, without a line of theirs.
//
//   - A transaction that is refused takes no handles.
//
//   - A chain written in a rule (`jump { ... }`) is named after its handle in echoes,
//     events and traces; the kernel counts those of all tables. Its events come once.
//
// In JSON:
//
//   - A chain has its devices (dev), which nft 1.0.6 leaves out.
//   - delete events have all of the object; nft shows what the kernel still says.
//   - get and describe answer in words, as nft does. Where nft has no JSON, for maps
//     that rules change, and where it aborts, it is as newer versions do it.
//   - As nft's, it leaves out typeof, so a set of integers cannot be read back; and
//     a chain written in a rule is its text, which cannot be read back either.
//
// # Errors
//
// [Parse] returns an [ErrorList]: the parser goes on with the next statement,
// the checker with the next rule or object. Each [Error] has the exact place of
// the token at fault. Up to 20 are collected.
//
// # Ownership and concurrency
//
// There is no shared state: calls of Parse may run at the same time. A Ruleset
// belongs to the caller, may be read by many goroutines, and must not be
// changed once it has been compiled. Listing changes nothing. All of it is
// control path: it allocates freely.
//
// # Limits
//
// 64 nested braces or parentheses, 16 nested includes and 1000 included files,
// 128 statements in a rule, 15 nested jumps below a base chain, 255 bytes in a
// name, 128 in a comment, 2 Mi elements, 8 Mi evaluated values and 256 MiB in a file.
//
// # Files in reading order
//
//   - ast.go, ast_expr.go, ast_stmt.go, ast_object.go: the tree, the contract
//     with the compiler
//   - types.go, symbols.go, values.go: types and names of values
//   - fields.go, headers.go, keys.go: header fields, options, keys of meta and ct
//   - read.go, options.go, errors.go, hints.go: reading a text, what Parse takes, how it
//     fails, and what was meant
//   - lex.go, words.go: tokens and reserved words
//   - parse.go: the parser's frame and recovery after errors
//   - parse_define.go: define and include
//   - parse_block.go, parse_set.go: commands, tables, chains, sets
//   - parse_object.go, parse_rate.go: objects, flowtables, limits
//   - parse_stmt.go, parse_use.go, parse_log.go, parse_nat.go: rules and statements
//   - parse_expr.go, parse_select.go, parse_element.go: expressions and elements
//   - check.go: Parse itself, and commands applied to the state
//   - outcome.go, own.go, apply.go: Run, what it has changed and what it shares with the
//     rules before, rules by handle and index
//   - parse_query.go, query.go, describe.go: commands that ask
//   - check_chain.go: chains, sets and elements
//   - check_object.go: objects and flowtables
//   - inner.go: chains written in rules
//   - check_rule.go, check_layers.go, check_select.go, check_match.go, check_stmt.go,
//     check_reject.go, check_use.go: rules
//   - check_value.go: values of each type
//   - elements.go, keyorder.go, sets.go, settle.go, live.go: lists of elements, what is written in them,
//     their order, overlaps and merging, sets that packets change
//   - walk.go, validate.go, validate_expr.go: what statements are made of, loops,
//     depth, statements at the wrong hook
//   - print.go, print_object.go, print_rule.go, print_use.go, print_value.go:
//     the listing
//   - print_query.go, print_change.go, print_trace.go: answers, what was
//     changed, and what became of traced packets
//   - json.go, json_object.go, json_stmt.go, json_expr.go: the same as JSON
//   - catalog.go: all that there is, for those who try it out
//   - parse_json.go, parse_json_stmt.go, parse_json_expr.go: commands from JSON
//   - print_arrange.go, print_bits.go, print_hide.go, print_raw.go: what nft's listing moves,
//     leaves out and names
package nft
