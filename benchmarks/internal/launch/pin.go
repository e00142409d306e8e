package launch

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// PinSelf moves all threads of this process to that CPU, for the rest of its
// life. A thread that is started meanwhile has the affinity of the one that starts
// it, so it looks again until there is none left to move.
func PinSelf(cpu int) error {
	var only unix.CPUSet
	only.Set(cpu)
	for moved := true; moved; {
		moved = false
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return err
			}
			var now unix.CPUSet
			if err := unix.SchedGetaffinity(id, &now); err == unix.ESRCH {
				continue // the thread has ended
			} else if err != nil {
				return fmt.Errorf("read the CPU affinity: %w", err)
			}
			if now == only {
				continue
			}
			if err := unix.SchedSetaffinity(id, &only); err != nil && err != unix.ESRCH {
				return fmt.Errorf("pin to CPU %d (is there such a CPU, and may this process use it?): %w", cpu, err)
			}
			moved = true
		}
	}
	return nil
}
