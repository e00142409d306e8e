package launch

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// AnyCPU leaves a process where the kernel puts it.
const AnyCPU = -1

// Command is exec.CommandContext for a process that ends when ctx does, and with
// this one however this one ends. It has a process group of its own, so Ctrl-C
// reaches it by ctx alone.
func Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 2 * time.Second // for whoever inherited its output
	return cmd
}

// StartOn starts cmd so that all its threads run on that CPU only: a process
// inherits the affinity of the thread that starts it.
func StartOn(cmd *exec.Cmd, cpu int) error {
	if cpu == AnyCPU {
		return cmd.Start()
	}
	runtime.LockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("read the CPU affinity: %w", err)
	}
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("pin to CPU %d (is there such a CPU, and may this process use it?): %w", cpu, err)
	}
	err := cmd.Start()
	if restore := unix.SchedSetaffinity(0, &before); restore != nil {
		// The thread stays locked: no other goroutine may meet the wrong affinity.
		return fmt.Errorf("restore the CPU affinity: %w", restore)
	}
	runtime.UnlockOSThread()
	return err
}
