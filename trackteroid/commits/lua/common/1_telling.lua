-- What somebody is to be told (outbox.py): tell:<channel> is a zset of JSON lines by time, for each channel, which takes its own away.
-- Bounded, in case no worker with a telling release runs: what is dead stands in the ledger all the same.
local function tell(event, id, failure)
  local line = '{"event":"' .. event .. '","id":' .. cjson.encode(id) .. ',"at":' .. stamp(now) .. ',"error":' .. (failure or 'null') .. '}'
  for _, channel in ipairs({'hook', 'webhook'}) do
    local key = P .. 'tell:' .. channel
    redis.call('ZADD', key, stamp(now), line)
    redis.call('ZREMRANGEBYRANK', key, 0, -10001)
  end
end
