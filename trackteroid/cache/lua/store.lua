-- Keep an answer if the stamps of its tags still hold and none is open, and end the flight; return whether it was kept.
-- KEYS[1] entry, KEYS[2] flight, KEYS[3] prefix of the tags' keys.
-- ARGV: now, token, stamps, payload (empty: it is too large), milliseconds to keep it, when it was asked for (microseconds),
-- milliseconds to keep what is only for those who wait, milliseconds to remember that it is too large, tags.
local all, _, sound = present(KEYS[3], 9, 0)
local mine = fields(KEYS[2], 'holder', 'waited')
local leading = mine[1] == ARGV[2]
local kept = 0
-- A Redis that is full refuses the first write of a script, and only that: it must be the one that takes room.
if ARGV[4] ~= '' and sound and all == ARGV[3] then
  kept = redis.pcall('HSET', KEYS[1], 'payload', ARGV[4], 'stamps', ARGV[3], 'asked_at', ARGV[6])
  if type(kept) == 'number' then
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
    kept = 1
  end
end
if not leading then return kept end
if ARGV[4] == '' then
  redis.pcall('HSET', KEYS[2], 'alone', '1')
  redis.call('HDEL', KEYS[2], 'holder', 'payload', 'stamps', 'asked_at')
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
elseif kept == 0 and mine[2] then
  redis.pcall('HSET', KEYS[2], 'asked_at', ARGV[6], 'payload', ARGV[4], 'stamps', ARGV[3])
  redis.call('HDEL', KEYS[2], 'holder')
  redis.call('PEXPIRE', KEYS[2], ARGV[7])
else
  redis.call('DEL', KEYS[2])
end
return kept
