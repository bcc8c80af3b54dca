-- id, fence, delay seconds, error, error kind, doubt, signature, streak, probe seconds, pause seconds -> 0 if the lease is lost,
-- 1, or 2 if the breaker has opened
also_when_full()
local id, kind = ARGV[2], ARGV[6]
if not held(id, ARGV[3]) then return 0 end
doubted(id, ARGV[7])
redis.call('HSET', row(id), 'error', ARGV[5], 'undecided_claims', '0')
local spared, opened = same_error(id, ARGV[8], ARGV[5], ARGV[9], ARGV[10])
if kind == 'environment' then
  opened = open_breaker('environment', ARGV[5], ARGV[10])
  uncount(id)
elseif spared or redis.call('HEXISTS', B, 'open') == 1 then
  uncount(id)
elseif kind == 'unknown' then
  redis.call('HINCRBY', row(id), 'unknown_failures', 1)
end
local pause = tonumber(ARGV[11])
if pause > 0 then
  local before = redis.call('GET', P .. 'pause')
  if not before or tonumber(before) < now + pause then
    redis.call('SET', P .. 'pause', stamp(now + pause), 'EX', math.ceil(pause))
  end
end
schedule(look_up(id), 'retrying', now + tonumber(ARGV[4]))
if kind == 'transient' then missed(id) end
return opened and 2 or 1
