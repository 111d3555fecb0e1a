package offheap

import (
	"fmt"
	"os"
	"strings"
)

// FreeHugePages returns how many pages of the hugetlb pool are free, and their
// size in KiB; zeroes where the kernel does not tell.
func FreeHugePages() (free, kib int) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "HugePages_Free: %d", &free) // other lines do not match
		_, _ = fmt.Sscanf(line, "Hugepagesize: %d", &kib)    // nor here
	}
	return free, kib
}
