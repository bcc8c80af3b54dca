-- The index of words (indexing.py): i:<word> is a zset, id by acceptance, of the commits of a word; i~ of those that have more words than
-- are kept; words a zset of all words, by name, for patterns.

local function index(id, words, all)
  local at = redis.call('HGET', row(id), 'created_at')
  for _, word in ipairs(words) do
    local key = P .. 'i:' .. word
    redis.call('ZADD', key, at, id)
    if redis.call('ZCARD', key) == 1 then redis.call('ZADD', P .. 'words', 0, word) end
  end
  if not all then redis.call('ZADD', P .. 'i~', at, id) end
end

local function unindex(id)
  local text = redis.call('HGET', row(id), 'words')
  for _, word in ipairs(text and cjson.decode(text) or {}) do
    local key = P .. 'i:' .. word
    redis.call('ZREM', key, id)
    if redis.call('EXISTS', key) == 0 then redis.call('ZREM', P .. 'words', word) end
  end
  redis.call('ZREM', P .. 'i~', id)
end
