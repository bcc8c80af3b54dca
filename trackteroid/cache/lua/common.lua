-- In front of the other scripts but renew.lua. ARGV[1] is the time in microseconds in tests and empty otherwise.
--
--   entry:<key>   hash: payload, stamps (those of its tags in the askers' order, each with a blank behind), asked_at
--   flight:<key>  hash: holder, waited: somebody asks ftrack right now, and whether anybody waits for it;
--                 asked_at, payload, stamps: an answer that may not be kept, for those who waited before it was asked for;
--                 or alone: the answer is too large to be kept, waiting for it is of no use
--   tag:<tag>     string, its stamp; one that begins with "!" says that the tag is being changed
--   writers:<tag> sorted set: who is changing the tag, by when that is not believed any more (microseconds)
local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

-- Lua's own tostring() keeps 14 digits.
local function text(moment) return string.format('%.0f', moment) end

-- Fields of a hash; what stands there and is no hash is garbage and goes.
local function fields(key, ...)
  local found = redis.pcall('HMGET', key, ...)
  if not found.err then return found end
  redis.pcall('DEL', key)
  return {}
end

-- The present stamps of the tags ARGV[first..] with a blank behind each, the first `hard` of them, and whether those and all of
-- them can be relied on (none is missing or open).
local function present(prefix, first, hard)
  local names = {}
  for i = first, #ARGV do names[#names + 1] = prefix .. ARGV[i] end
  local stamps = redis.call('MGET', unpack(names))
  local head, sound_head, sound = 0, true, true
  for i = 1, #names do
    local stamp = stamps[i]
    if not stamp or string.sub(stamp, 1, 1) == '!' then
      sound = false
      if i <= hard then sound_head = false end
    end
    stamps[i] = (stamp or '') .. ' '
    if i <= hard then head = head + #stamps[i] end
  end
  local all = table.concat(stamps)
  return all, string.sub(all, 1, head), sound, sound_head, names, stamps
end
