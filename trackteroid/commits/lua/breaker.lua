-- -> {open since, kind, reason, probe at, paused until}; each may be nil
local facts = redis.call('HMGET', B, 'open', 'kind', 'reason', 'probe_at')
local pause = redis.call('GET', P .. 'pause')
facts[5] = pause and tonumber(pause) > now and pause or false
return facts
