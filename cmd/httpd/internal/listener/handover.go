package listener

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// readyVariable tells a successor by which descriptor it says that it serves.
const readyVariable = "HTTPD_HANDOVER_READY"

// ErrNotReady: the successor ended, or took too long, before it served.
var ErrNotReady = errors.New("the new process did not come to serve")

// Handover starts program with the listeners and waits until it says that it serves: from then on both accept, until this process
// stops. Its output goes where that of this process goes, and it outlives it. After an error this process has all that it had.
func (s *Set) Handover(program string, args []string, patience time.Duration) (pid int, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = append(append([]*os.File(nil), s.files...), w)
	cmd.Env = append(os.Environ(), namesVariable+"="+strings.Join(s.names, "\n"),
		readyVariable+"="+strconv.Itoa(firstFD+len(s.files)))
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, err
	}
	ready := make(chan bool, 1)
	go func() {
		n, _ := io.ReadFull(r, make([]byte, 1))
		ready <- n == 1
	}()
	select {
	case ok := <-ready:
		if ok {
			// It is no child to be waited for: this process ends first. The reaper is for the case that it does not.
			go cmd.Wait() // how it ends is not ours to say
			return cmd.Process.Pid, nil
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill() // it may have ended meanwhile
	}
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return 0, ErrNotReady
}

// Ready tells the process that this one replaces that it may stop. It does nothing where there is none. ok says whether there is.
func Ready() (ok bool) {
	text, ok := os.LookupEnv(readyVariable)
	if !ok {
		return false
	}
	os.Unsetenv(readyVariable)
	fd, err := strconv.Atoi(text)
	if err != nil {
		return false
	}
	f := os.NewFile(uintptr(fd), "ready")
	if f == nil {
		return false
	}
	defer f.Close()
	_, err = f.Write([]byte{1})
	return err == nil
}
