-- wrk -s pipeline.lua URL -- DEPTH: DEPTH requests in one write.
function init(args)
	local depth = tonumber(args[1])
	local requests = {}
	for i = 1, depth do
		requests[i] = wrk.format("GET")
	end
	all = table.concat(requests)
end

function request()
	return all
end
