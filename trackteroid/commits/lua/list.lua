-- limit, state... -> {id, row, id, row, ...}, newest first
local limit, found = tonumber(ARGV[2]), {}
for i = 3, #ARGV do
  local page = redis.call('ZREVRANGE', P .. 'state:' .. ARGV[i], 0, limit - 1, 'WITHSCORES')
  for j = 1, #page, 2 do found[#found + 1] = {page[j], tonumber(page[j + 1])} end
end
table.sort(found, function(a, b)
  if a[2] ~= b[2] then return a[2] > b[2] end
  return a[1] > b[1]
end)
local answer = {}
for i = 1, math.min(limit, #found) do
  answer[#answer + 1] = found[i][1]
  answer[#answer + 1] = redis.call('HGETALL', row(found[i][1]))
end
return answer
