-- The index of words (indexing.py): i:<word> is a zset, id by acceptance, of the commits of a word; i~ of those that have more words than
-- are kept; words a zset of all words, by name, for patterns.

local function index(id, at, words, all)
  local named = {}
  for _, word in ipairs(words) do
    redis.call('ZADD', P .. 'i:' .. word, at, id)
    named[#named + 1] = 0
    named[#named + 1] = word
  end
  if named[1] then redis.call('ZADD', P .. 'words', unpack(named)) end
  if not all then redis.call('ZADD', P .. 'i~', at, id) end
end

-- All words of a commit and those that are new, given the texts of both lists; nil if the texts are the same. What it has stood under
-- once it does to its end. Writes nothing.
local function more_words(before, text)
  if before == text then return nil end
  local words, known, added = before and cjson.decode(before) or {}, {}, {}
  for _, word in ipairs(words) do known[word] = true end
  for _, word in ipairs(cjson.decode(text)) do
    if not known[word] then
      added[#added + 1] = word
      words[#words + 1] = word
    end
  end
  return words, added
end

local function index_more(id, at, words, added, all)
  if added[1] then redis.call('HSET', row(id), 'words', cjson.encode(words)) end
  index(id, at, added, all)
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
