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

// Handover starts program with the listeners and state, and waits until it says that it serves: from then on both accept, until this
// process stops. state is for the successor's Set.State, and no more than a pipe holds, 64 KiB. Its output goes where that of this process goes, and it outlives it. After an error this process has all that it had.
func (s *Set) Handover(program string, args []string, state []byte, patience time.Duration) (pid int, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	memory, err := sendState(state)
	if err != nil {
		w.Close()
		return 0, err
	}
	defer memory.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = append(append([]*os.File(nil), s.files...), w, memory)
	cmd.Env = append(os.Environ(), namesVariable+"="+strings.Join(s.names, "\n"),
		readyVariable+"="+strconv.Itoa(firstFD+len(s.files)), stateVariable+"="+strconv.Itoa(firstFD+len(s.files)+1))
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

// stateVariable tells a successor which descriptor it reads the state from. What is in a pipe, unlike the environment, nobody else
// can read.
const stateVariable = "HTTPD_HANDOVER_STATE"

func sendState(state []byte) (*os.File, error) {
	if len(state) > 64<<10 {
		return nil, fmt.Errorf("%d bytes to hand on", len(state))
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if _, err := w.Write(state); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// receiveState returns what the process that is replaced has written; nil where it has not.
func receiveState() []byte {
	fd, err := strconv.Atoi(os.Getenv(stateVariable))
	os.Unsetenv(stateVariable)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "state")
	if f == nil {
		return nil
	}
	defer f.Close()
	state, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	return state
}

// Ready tells the process that this one replaces that it may stop: all sockets are this one's from then on. ok says whether there is
// such a process.
func (s *Set) Ready() (ok bool) {
	clear(s.theirs)
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
