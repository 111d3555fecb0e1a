package outfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Check says whether files of these names could be written; empty names are left
// out. It changes no file. A name that stands there twice is an error too, and so is
// "-", which elsewhere is the output and here would be a file.
func Check(names ...string) error {
	var errs []error
	taken := map[string]bool{}
	for _, name := range names {
		if name == "" {
			continue
		}
		if name == "-" {
			errs = append(errs, errors.New("write -: want the name of a file: /dev/stdout is the output, ./- a file of that name"))
			continue
		}
		to, special, err := target(name)
		switch {
		case err != nil:
		case special:
			continue
		case taken[to]:
			err = fmt.Errorf("write %s: two results would go there", name)
		default:
			taken[to] = true
			err = try(to)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Same says whether two names stand for one regular file: by the same path, a link
// of either kind, or, of a file that is not there yet, a place in one folder. What
// cannot be found out, and every device and pipe, is not the same.
func Same(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return x.Mode().IsRegular() && os.SameFile(x, y)
	}
	a, b = followLinks(a), followLinks(b)
	if !errors.Is(errA, fs.ErrNotExist) || !errors.Is(errB, fs.ErrNotExist) || filepath.Base(a) != filepath.Base(b) {
		return false
	}
	x, errA = os.Stat(filepath.Dir(a))
	y, errB = os.Stat(filepath.Dir(b))
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// followLinks returns where symbolic links lead, also if nothing is there yet.
func followLinks(name string) string {
	for range 40 { // as many as the kernel follows
		to, err := os.Readlink(name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(name), to)
		}
		name = to
	}
	return name
}

// try makes a file beside the one that would be written, and removes it.
func try(name string) error {
	f, err := beside(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, plain(err))
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func beside(name string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(name), ".part-*")
}

// plain leaves out the name of the file beside, which nobody has given.
func plain(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// target returns what a name stands for: the regular file that is or will be
// there, or something special to write into.
func target(name string) (path string, special bool, err error) {
	path, err = filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = filepath.Abs(name)
		return path, false, err
	}
	if err != nil {
		return "", false, fmt.Errorf("write %s: %w", name, plain(err))
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", false, fmt.Errorf("write %s: %w", name, plain(err))
	case info.IsDir():
		return "", false, fmt.Errorf("write %s: it is a folder", name)
	}
	path, err = filepath.Abs(path)
	return path, !info.Mode().IsRegular(), err
}

// Write writes a file by a function. A regular file is there whole or as it was,
// with the mode it had, or 0644; what is no regular file is written into.
func Write(name string, write func(io.Writer) error) (err error) {
	path, special, err := target(name)
	if err != nil {
		return err
	}
	if special {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(b.Bytes())
		return errors.Join(err, f.Close())
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := beside(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, plain(err))
	}
	if err := errors.Join(write(f), f.Chmod(mode), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
