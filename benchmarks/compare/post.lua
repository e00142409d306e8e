-- wrk -s post.lua URL -- SIZE: a POST of SIZE bytes.
function init(args)
	wrk.headers["Content-Type"] = "application/octet-stream"
	one = wrk.format("POST", nil, nil, string.rep("x", tonumber(args[1])))
end

function request()
	return one
end
