-- id, fence, delay seconds, error, doubt -> 1, or 0 if the lease is lost. The server says that something is missing.
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
doubted(id, ARGV[6])
redis.call('HSET', row(id), 'error', ARGV[5], 'undecided_claims', '0')
-- An answer about this commit: whatever was wrong around us is over.
close_breaker()
local all, set = companions_of(look_up(id)), {[id] = true}
for _, other in ipairs(all) do set[other] = true end
all[#all + 1] = id
local found
for _, one in ipairs(all) do redis.call('HSET', row(one), 'missing', '1') end
for _, one in ipairs(all) do
  found = blocker(look_up(one), keys_of(one), all[2] and set or nil)
  if found then
    park(look_up(id), found)
    return 1
  end
end
redis.call('HSETNX', row(id), 'waiting_since', stamp(now))
for _, one in ipairs(all) do
  for _, e in ipairs(keys_of(one).n) do redis.call('SADD', P .. 'x:n:' .. e, one) end
end
local commit = look_up(id)
schedule(commit, 'waiting', now + tonumber(ARGV[4]))
waits(commit, nil, 'missing', '', '')
return 1
