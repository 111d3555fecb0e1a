package settings

import (
	"os"
	"path/filepath"

	"github.com/sluice-net/sluice/cmd/yamlfile"
)

// Read reads a YAML file over the defaults. A rules file that is not absolute
// is looked for beside it. Values are not checked: see Validate.
func Read(name string) (Settings, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Settings{}, err
	}
	s, err := parse(name, text)
	if err != nil {
		return Settings{}, err
	}
	if s.Rules != "" && !filepath.IsAbs(s.Rules) {
		s.Rules = filepath.Join(filepath.Dir(name), s.Rules)
	}
	return s, nil
}

func parse(name string, text []byte) (s Settings, err error) {
	s = Default()
	s.file, err = yamlfile.Decode(name, text, &s)
	return s, err
}
