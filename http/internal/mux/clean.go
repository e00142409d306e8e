package mux

// Clean removes the empty, "." and ".." segments from a decoded path, as path.Clean does, and keeps a trailing slash. A ".."
// never leads above the root, and the result always begins with a slash.
//
// A clean path is returned itself, with changed false. Otherwise the result is written over dst from its start, and into new
// memory only when dst has not the room; dst may be path[:0] if path begins with a slash.
func Clean(dst, path []byte) (cleaned []byte, changed bool) {
	good := cleanPrefix(path)
	if good == len(path) && good > 0 {
		return path, false
	}
	slash := len(path) == 0 || path[len(path)-1] == '/' // looked up before dst overwrites it
	dst = append(dst[:0], path[:good]...)
	for i := good; i < len(path); {
		end := segmentEnd(path, i)
		switch seg := path[i:end]; {
		case len(seg) == 0 || len(seg) == 1 && seg[0] == '.':
		case len(seg) == 2 && seg[0] == '.' && seg[1] == '.':
			dst = parent(dst)
		default:
			dst = append(dst, '/')
			dst = append(dst, seg...)
		}
		i = end + 1
	}
	if slash || len(dst) == 0 {
		dst = append(dst, '/')
	}
	return dst, true
}

// cleanPrefix returns how much of the path is clean as it is: all of it, or up to the slash before the first segment to
// remove.
func cleanPrefix(path []byte) int {
	if len(path) == 0 || path[0] != '/' {
		return 0
	}
	for i := 0; i < len(path); {
		end := segmentEnd(path, i+1)
		switch seg := path[i+1 : end]; {
		case len(seg) == 0 && end < len(path), // the one at the very end is the trailing slash
			len(seg) == 1 && seg[0] == '.',
			len(seg) == 2 && seg[0] == '.' && seg[1] == '.':
			return i
		}
		i = end
	}
	return len(path)
}

// segmentEnd returns the offset of the first slash at or after i, or the path's length.
func segmentEnd(path []byte, i int) int {
	for i < len(path) && path[i] != '/' {
		i++
	}
	return i
}

// parent cuts the last segment off a clean path without trailing slash.
func parent(path []byte) []byte {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return path[:0]
}
