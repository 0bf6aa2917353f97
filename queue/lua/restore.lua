-- Purpose: begin an epoch of a line that is missing, or whose server has begun another life.
-- KEYS: 1 meta, 2 waiting, 3 gone, 4 lost, 5 feed, 6 lobby, 7 leavers
-- ARGV: 1 epoch to begin at least, 2 base: the high-water mark of the numbers given out
--       3 floor: the highest number known to be admitted, -1 for none
--       4 settle: milliseconds without admissions after a total loss
--       5 lobby, as Postgres knows it: '' for none or one that is drawn, 'open', 'closed'
--       6 entrants: how many numbers the draw will give, when the lobby has closed
--       7 returning: milliseconds that a lobby which was lost stays open at least
-- Returns: {begun, epoch}: begun is 0 when the line is alive and nothing was done
-- Cost: O(base/8) bytes, written in pieces of 64 KiB: 125 KB for a million numbers
-- Operation: idempotent by the server's life: a second call finds the line alive
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'next', 'lobby')
if meta[1] == life then
  return {0, tonumber(meta[2])}
end
local epoch, base = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local from, settle, lobby = 0, 0, ARGV[5]
-- Of a draw under way Postgres knows more than a Redis that came back: the numbers are given anew.
local whole = meta[4] and lobby == 'open' or not meta[4] and lobby == ''
if meta[3] and whole then
  -- The data survived, maybe without its last writes: only what lies ahead of it is lost,
  -- and the floor stays, or those still on their way back would fall below it.
  from, epoch = tonumber(meta[3]), math.max(epoch, tonumber(meta[2]) + 1)
else
  if meta[2] then
    epoch = math.max(epoch, tonumber(meta[2]) + 1)
  end
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
  if base > 0 then
    settle = micros + tonumber(ARGV[4]) * 1000
  end
  if lobby == 'closed' then
    from = tonumber(ARGV[6])
  end
  redis.call('HSET', KEYS[1], 'floor', ARGV[3])
end
if lobby ~= '' then
  settle = 9e15 -- until the draw is done
  redis.call('HSET', KEYS[1], 'lobby', lobby)
  if epoch > 1 then
    redis.call('HSET', KEYS[1], 'returning', string.format('%.0f', micros + tonumber(ARGV[7]) * 1000))
  end
end

local function fill(key, from, to)
  while from < to and from % 8 ~= 0 do
    redis.call('SETBIT', key, from, 1)
    from = from + 1
  end
  while to - from >= 8 do
    local bytes = math.min(65536, math.floor((to - from) / 8))
    redis.call('SETRANGE', key, from / 8, string.rep('\255', bytes))
    from = from + bytes * 8
  end
  while from < to do
    redis.call('SETBIT', key, from, 1)
    from = from + 1
  end
end
fill(KEYS[3], from, base)
fill(KEYS[4], from, base)

local next = math.max(from, base)
redis.call('HSET', KEYS[1], 'life', life, 'epoch', epoch, 'next', next, 'reserved', next,
  'seq', 1, 'clean', (base == 0 or lobby ~= '') and 1 or 0, 'settle', string.format('%.0f', settle))
redis.call('XADD', KEYS[5], 'MAXLEN', '~', 100000, string.format('%.0f', epoch) .. '-1',
  'kind', 'epoch', 'at', string.format('%.0f', micros), 'fans', '')
return {1, epoch}
