// Package proc reads what the kernel tells of another process: its CPU time and
// its resident memory, of all its threads together (proc_pid_status(5)).
package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ReadRSS reads the resident memory of a process, in bytes.
func ReadRSS(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseRSS(string(status))
}

func parseRSS(status string) (int64, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 48)
		if err != nil {
			return 0, fmt.Errorf("VmRSS in /proc/PID/status: %w", err)
		}
		return int64(kb) << 10, nil
	}
	return 0, errors.New("no VmRSS in /proc/PID/status: the process has ended")
}
