-- Return a valid answer, or the lead, or that somebody else has it: one round trip.
-- KEYS[1] entry, KEYS[2] flight, KEYS[3] prefix of the tags' keys.
-- ARGV: now, token, milliseconds of the lead, a new stamp, seconds it lives, microseconds of staleness that are welcome,
-- since when the asker has waited (microseconds, empty: not yet), how many of the tags are hard, tags (hard ones first).
local now, hard, since = clock(), tonumber(ARGV[8]), tonumber(ARGV[7])
local all, head, sound, sound_head, names, stamps = present(KEYS[3], 9, hard)

local function found(payload, of, asked_at, valid) return {'found', payload, of, text(now - asked_at), valid} end
local function begins(of) return sound_head and string.sub(of, 1, #head) == head end
-- Whether an old answer will do: there is as much staleness welcome, or it was asked for after the asker had begun to wait.
-- One from a time to come was given before the clock was put back: nobody knows how old it is.
local function welcome(asked)
  return asked <= now and (now - asked < tonumber(ARGV[6]) or since and asked > since)
end

local entry = fields(KEYS[1], 'payload', 'stamps', 'asked_at')
local asked_at = entry[1] and entry[2] and tonumber(entry[3] or '')
if asked_at then
  if sound and entry[2] == all then return found(entry[1], entry[2], asked_at, 1) end
  if welcome(asked_at) and begins(entry[2]) then return found(entry[1], entry[2], asked_at, 0) end
end

local flight = fields(KEYS[2], 'holder', 'asked_at', 'payload', 'stamps', 'waited', 'alone')
if flight[6] then return {'alone', 'large'} end
local handed_at = flight[3] and flight[4] and tonumber(flight[2] or '')
if handed_at and welcome(handed_at) and begins(flight[4]) then return found(flight[3], flight[4], handed_at, 0) end
if flight[1] and flight[1] ~= ARGV[2] then
  if not flight[5] then redis.pcall('HSET', KEYS[2], 'waited', '1') end
  return {'busy', text(now)}
end

-- The lead. A Redis that is full refuses the first write of a script, and only that: it must be the one that takes room.
-- An answer for those who waited stays until there is the next: some of them may not have looked yet.
local taken = redis.pcall('HSET', KEYS[2], 'holder', ARGV[2])
if type(taken) == 'table' and taken.err then return {'alone', taken.err} end
redis.call('HDEL', KEYS[2], 'waited')
-- Where one has waited others may still be waiting.
if since then redis.call('HSET', KEYS[2], 'waited', '1') end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
for i = 1, #names do
  if stamps[i] == ' ' then
    redis.call('SET', names[i], ARGV[4], 'EX', ARGV[5])
    stamps[i] = ARGV[4] .. ' '
  end
end
return {'lead', text(now), table.concat(stamps)}
