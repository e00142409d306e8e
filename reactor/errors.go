package reactor

import "errors"

// Errors that a caller can test for with errors.Is. Those of the kernel are
// wrapped os.SyscallError values, so errors.Is(err, unix.EADDRINUSE) works too.
var (
	// ErrLoopClosed refuses a task, a timer or a poll on a loop after Quit.
	ErrLoopClosed = errors.New("reactor: the event loop has quit")
	// ErrClosed refuses a Send or SendFile on a connection that is closing or gone.
	ErrClosed = errors.New("reactor: the connection is closed")
	// ErrOutputFull closes a connection whose unsent output passed the hard cap.
	ErrOutputFull = errors.New("reactor: output passed the hard cap")
	// ErrTimeout closes a connection whose deadline or idle timeout passed.
	ErrTimeout = errors.New("reactor: the connection timed out")
	// ErrLinger closes a connection that did not finish within its linger time
	// after Shutdown: the peer neither took the output nor sent its FIN.
	ErrLinger = errors.New("reactor: the peer did not finish within the linger time")
	// ErrFileTruncated closes a connection whose file ended before the length
	// that SendFile was given: sending on would lie about the length.
	ErrFileTruncated = errors.New("reactor: the file ended before its announced length")
	// ErrServerClosed refuses Start after Shutdown.
	ErrServerClosed = errors.New("reactor: the server is shut down")
	// ErrSelfConnect reports a connect(2) that met itself: the kernel chose the
	// destination port as the source port, and no server was there.
	ErrSelfConnect = errors.New("reactor: connected to itself")
	// ErrTruncated closes a TLS connection whose peer hung up without saying that
	// its stream ends (close_notify; RFC 8446 section 6.1): what came may not be all.
	ErrTruncated = errors.New("reactor: the TLS stream was cut off")
	// ErrPlaintext refuses StartTLS where plaintext has come, or waits to be sent.
	ErrPlaintext = errors.New("reactor: plaintext where TLS is to begin")
	// ErrLoopOwned refuses a second Loop on the same EventLoop, or one after Quit.
	ErrLoopOwned = errors.New("reactor: the event loop already ran")
	// ErrOnLoop refuses a call that waits, made on a loop's goroutine: it would
	// wait for itself.
	ErrOnLoop = errors.New("reactor: a blocking call on the event loop")
	// ErrBadAddress reports an address that ParseInetAddress cannot read.
	ErrBadAddress = errors.New("reactor: bad address")
)
