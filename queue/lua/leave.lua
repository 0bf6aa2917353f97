-- Purpose: take a fan out of the line, or out of its lobby, and tell the feed.
-- KEYS: 1 meta, 2 waiting, 3 gone, 4 feed, 5 operation, 6 lobby, 7 leavers
-- ARGV: 1 fan, 2 whether an operation is given (1) or not (0)
-- Returns: {epoch, left}: left is 1 when the fan stood in the line and is out now;
--       {0, 0} when the line must be restored; {epoch, -1} while the entrants of the draw
--       are being written down. The feed names a fan of the lobby with number -1
-- Cost: O(log N)
-- Operation: idempotent by the fan: out is out. With an operation id, one minute long, a
--       repeated leave also spares the place of a fan who has joined again since
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'lobby', 'ready')
if meta[1] ~= life then
  return {0, 0}
end
local epoch = tonumber(meta[2])
if meta[3] == 'closed' and not meta[4] then
  return {epoch, -1}
end
if ARGV[2] == '1' and not redis.call('SET', KEYS[5], '1', 'NX', 'PX', 60000) then
  return {epoch, 0}
end
local number = redis.call('ZSCORE', KEYS[2], ARGV[1])
if number then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('SETBIT', KEYS[3], number, 1)
  redis.call('HINCRBY', KEYS[1], 'left', 1)
end
if meta[3] and redis.call('SREM', KEYS[6], ARGV[1]) == 1 and not number then
  number = '-1'
  if meta[3] == 'closed' then
    redis.call('SADD', KEYS[7], ARGV[1]) -- an entrant stays one, and its number will be gone
  end
end
if not number then
  return {epoch, 0}
end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local time = redis.call('TIME')
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 100000, meta[2] .. '-' .. seq,
  'kind', 'left', 'at', string.format('%.0f', time[1] * 1000000 + time[2]), 'fans', number .. ':' .. ARGV[1])
return {epoch, 1}
