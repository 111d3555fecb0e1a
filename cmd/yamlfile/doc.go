// Package yamlfile reads the YAML files of the commands: settings and profiles.
//
// Files are read strictly: a name that the structure does not have, a value of
// another kind and a fraction where a whole number belongs are errors. Errors
// have the form FILE:LINE:COLUMN: what, in words of the file and not of Go; Wrong
// and WrongIn give the same form to what a program finds wrong later.
//
// A File is not changed after Decode and may be used by any goroutine.
//
// Limits: one document a file.
//
// Files in reading order: file.go, words.go.
package yamlfile
