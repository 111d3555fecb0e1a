package rules

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// corpora lies beside the repository.
const corpora = "../../shared/corpora"

// TestCorpusRulesets compiles every ruleset of the corpus that the language
// takes, and gives random packets to it and to the twin.
func TestCorpusRulesets(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora, "nft", "*.nft"))
	if err != nil || len(files) == 0 {
		t.Skipf("SKIPPED: no rulesets in %s", corpora)
	}
	seed := testSeed(t)
	taken := 0
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := nft.Parse(file, text, nft.ParseOptions{})
		if err != nil {
			t.Logf("%s: refused by the language: %s", filepath.Base(file), strings.SplitN(err.Error(), "\n", 2)[0])
			continue
		}
		if _, err := Compile(tree, Options{}); err != nil {
			t.Logf("%s: not carried out: %s", filepath.Base(file), strings.SplitN(err.Error(), "\n", 2)[0])
			continue
		}
		taken++
		var hits [4]int
		g := &gen{r: rand.New(rand.NewPCG(seed, uint64(i))), tb: t}
		compareTree(t, g, tree, filepath.Base(file), 500, &hits)
		t.Logf("%s: decisions of rules %v", filepath.Base(file), hits)
	}
	t.Logf("%d of %d rulesets", taken, len(files))
}

// TestCorpusRules does the same with single rules.
func TestCorpusRules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpora, "nft", "nft_py_open.tsv"))
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	seed := testSeed(t)
	taken := 0
	refused := map[string]int{}
	for i, line := range strings.Split(string(text), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 || len(f) < 8 || f[4] != "ok" || f[0] != "ip" && f[0] != "ip6" && f[0] != "inet" || strings.Contains(f[3], "@T") {
			continue
		}
		name, base, _ := strings.Cut(f[1], ";")
		if base == "" {
			continue
		}
		rules := "add table " + f[0] + " T\nadd chain " + f[0] + " T " + name + " { " + base + "; }\n"
		for _, s := range strings.Split(f[2], ";;") {
			if s = strings.TrimSpace(s); s != "" {
				rules += strings.ReplaceAll(s, "@T", f[0]+" T") + "\n"
			}
		}
		rules += "add rule " + f[0] + " T " + name + " " + f[3] + "\n"
		tree, err := nft.Parse("case", []byte(rules), nft.ParseOptions{NoInclude: true})
		if err != nil {
			continue // the language's own tests judge that
		}
		if _, err := Compile(tree, Options{Interfaces: testInterfaces}); err != nil {
			refused[err.Error()]++
			if !strings.Contains(err.Error(), "not supported") {
				t.Errorf("line %d: %v\n%s", i+1, err, rules)
			}
			continue
		}
		taken++
		var hits [4]int
		compareTree(t, &gen{r: rand.New(rand.NewPCG(seed, uint64(i))), tb: t}, tree, f[3], 20, &hits)
	}
	t.Logf("%d rules; refused: %v", taken, refused)
}
