-- limit, created_at and id of the last one seen (or empty), how many to look at, number of states, states..., then for each group of
-- words their number and themselves -> {created_at and id of the last one looked at, or empty if that was all, then for each its id,
-- created_at and row}, newest first: of these states, and of each group under at least one word
local limit, before, last, most = tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local wanted, states, groups = {}, {}, {}
local at = 7
for _ = 1, tonumber(ARGV[6]) do
  wanted[ARGV[at]] = true
  states[#states + 1] = P .. 'state:' .. ARGV[at]
  at = at + 1
end
while ARGV[at] do
  local group = {P .. 'i~'}
  for i = at + 1, at + tonumber(ARGV[at]) do group[#group + 1] = P .. 'i:' .. ARGV[i] end
  groups[#groups + 1] = group
  at = at + 1 + tonumber(ARGV[at])
end

-- Walk through whatever is shortest, and compare with the rest.
local function size(keys)
  local sum = 0
  for _, key in ipairs(keys) do sum = sum + redis.call('ZCARD', key) end
  return sum
end
local shortest, least = nil, size(states)
for number, group in ipairs(groups) do
  local sum = size(group)
  if sum < least then shortest, least = number, sum end
end

local found, seen, more = {}, {}, false
local function collect(page, under)
  for j = 1, #page, 2 do
    if (not under or page[j] < under) and not seen[page[j]] then
      seen[page[j]] = true
      found[#found + 1] = {page[j], tonumber(page[j + 1]), page[j + 1]}
    end
  end
  return #page / 2
end
for _, key in ipairs(shortest and groups[shortest] or states) do
  local number
  if before == '' then
    number = collect(redis.call('ZREVRANGE', key, 0, most - 1, 'WITHSCORES'))
  else
    -- Of the same moment those that come after it, then the older ones.
    collect(redis.call('ZRANGEBYSCORE', key, before, before, 'WITHSCORES'), last)
    number = collect(redis.call('ZREVRANGEBYSCORE', key, '(' .. before, '-inf', 'WITHSCORES', 'LIMIT', 0, most))
  end
  more = more or number == most
end
table.sort(found, function(a, b)
  if a[2] ~= b[2] then return a[2] > b[2] end
  return a[1] > b[1]
end)

local function fits(id)
  if shortest and not wanted[redis.call('HGET', row(id), 'state') or ''] then return false end
  for number, group in ipairs(groups) do
    if number ~= shortest then
      local there = false
      for _, key in ipairs(group) do
        if redis.call('ZSCORE', key, id) then
          there = true
          break
        end
      end
      if not there then return false end
    end
  end
  return true
end
local answer, looked, number = {'', ''}, 0, 0
while found[looked + 1] and looked < most and number < limit do
  looked = looked + 1
  local id = found[looked][1]
  if fits(id) then
    number = number + 1
    answer[#answer + 1] = id
    answer[#answer + 1] = found[looked][3]
    answer[#answer + 1] = redis.call('HGETALL', row(id))
  end
end
if looked > 0 and (more or found[looked + 1]) then answer[1], answer[2] = found[looked][3], found[looked][1] end
return answer
