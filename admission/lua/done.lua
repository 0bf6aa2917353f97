-- Purpose: free the place of a shopper who has bought or gives up.
-- KEYS: 1 state, 2 shoppers, 3 deadlines, 4 holding, 5 redeemed, 6 meta, 7 feed (package queue's)
-- ARGV: 1 fan
-- Returns: 1 when the place was freed, 0 when the fan had none
-- Cost: O(log N)
-- Operation: idempotent by the fan: who has no place frees none
local record = redis.call('HGET', KEYS[2], ARGV[1])
if not record then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('SREM', KEYS[4], ARGV[1])
redis.call('HINCRBY', KEYS[1], 'done', 1)
local epoch, number, pass_until, shop_until = string.match(record, '^(%d+):(%d+):%d+:(%d+):(%d+)$')
redis.call('ZADD', KEYS[5], pass_until, epoch .. '.' .. number) -- an unused pass is void now

if shop_until == '0' then
  redis.call('HINCRBY', KEYS[1], 'owed', 1) -- like a no-show, it gives back; the tick bounds it
end

local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[6], 'life', 'epoch')
if meta[1] == life then
  local seq = redis.call('HINCRBY', KEYS[6], 'seq', 1)
  local time = redis.call('TIME')
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', 100000, meta[2] .. '-' .. seq,
    'kind', 'ended', 'at', string.format('%.0f', time[1] * 1000000 + time[2]), 'fans', number .. ':' .. ARGV[1],
    'no_shows', shop_until == '0' and 1 or 0)
end
return 1
