-- id, actor -> 'ok', or what is in the way: 'unknown', 'gone' (no payload), or the state
local id = ARGV[2]
local state = redis.call('HGET', row(id), 'state')
if not state then return 'unknown' end
if state ~= 'dead' then return state end
if redis.call('EXISTS', P .. 'p:' .. id) == 0 then return 'gone' end
acted(id, 'retry', ARGV[3])
redis.call('HSET', row(id), 'undecided_claims', '0', 'unknown_failures', '0')
-- One that needs others, which need it, still does.
if redis.call('HEXISTS', row(id), 'together') == 0 then redis.call('HDEL', row(id), 'missing') end
redis.call('HDEL', row(id), 'trying_since', 'waiting_since', 'suspected')
line_up(id, keys_of(id))
settle(look_up(id), now)
wake(id)
return 'ok'
