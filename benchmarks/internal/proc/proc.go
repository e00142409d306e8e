// Package proc reads what the kernel tells of another process: its CPU time and
// its resident memory, of all its threads together (proc_pid_stat(5),
// proc_pid_status(5)).
package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux that Go
// runs on.
const tick = 10 * time.Millisecond

// CPU is the processor time that a process has used, in whole ticks of 10 ms.
type CPU struct {
	User, System time.Duration
}

// Total is user and system time together.
func (c CPU) Total() time.Duration { return c.User + c.System }

// Sub is the time used since an earlier reading.
func (c CPU) Sub(earlier CPU) CPU {
	return CPU{c.User - earlier.User, c.System - earlier.System}
}

// ReadCPU reads the time of a process.
func ReadCPU(pid int) (CPU, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return CPU{}, err
	}
	return parseStat(string(stat))
}

// parseStat finds utime and stime, fields 14 and 15. The second field, the name
// of the command in parentheses, may itself hold blanks and parentheses.
func parseStat(stat string) (CPU, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const first = 3 // the field that follows the name
	if !strings.Contains(stat, ")") || len(fields) <= 15-first {
		return CPU{}, fmt.Errorf("%q is no line of /proc/PID/stat", stat)
	}
	user, err := ticks(fields[14-first])
	if err != nil {
		return CPU{}, fmt.Errorf("utime in /proc/PID/stat: %w", err)
	}
	system, err := ticks(fields[15-first])
	if err != nil {
		return CPU{}, fmt.Errorf("stime in /proc/PID/stat: %w", err)
	}
	return CPU{user, system}, nil
}

func ticks(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 38) // 38 bits of ticks still fit a Duration
	return time.Duration(n) * tick, err
}

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
