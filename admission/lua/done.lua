-- Purpose: free the places of shoppers who have bought or give up.
-- KEYS: 1 state, 2 shoppers, 3 deadlines, 4 holding, 5 redeemed, 6 meta, 7 feed (package queue's)
-- ARGV: the fans, up to 256
-- Returns: how many places were freed; a fan who had none frees none
-- Cost: O(log N) a fan
-- Operation: idempotent by the fans: who has no place frees none
local ended, no_shows = {}, 0
for i, record in ipairs(redis.call('HMGET', KEYS[2], unpack(ARGV))) do
  local fan = ARGV[i]
  if record and redis.call('HDEL', KEYS[2], fan) == 1 then
    redis.call('ZREM', KEYS[3], fan)
    redis.call('SREM', KEYS[4], fan)
    local epoch, number, pass_until, shop_until = string.match(record, '^(%d+):(%d+):%d+:(%d+):(%d+)$')
    redis.call('ZADD', KEYS[5], pass_until, epoch .. '.' .. number) -- an unused pass is void now
    if shop_until == '0' then
      no_shows = no_shows + 1
    end
    ended[#ended + 1] = number .. ':' .. fan
  end
end
if #ended == 0 then
  return 0
end
redis.call('HINCRBY', KEYS[1], 'done', #ended)
if no_shows > 0 then
  redis.call('HINCRBY', KEYS[1], 'owed', no_shows) -- like a no-show, they give back; the tick bounds it
end
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[6], 'life', 'epoch')
if meta[1] == life then
  local seq = redis.call('HINCRBY', KEYS[6], 'seq', 1)
  local time = redis.call('TIME')
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', 100000, meta[2] .. '-' .. seq,
    'kind', 'ended', 'at', string.format('%.0f', time[1] * 1000000 + time[2]), 'fans', table.concat(ended, ','),
    'no_shows', no_shows)
end
return #ended
