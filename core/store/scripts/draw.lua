-- Ask for one call on the rate budgets of a platform; the theory stands in core/replies/budget.py, which does the same.
-- KEYS  for each bucket four:  calls (sorted set: a call of the running window, by its time)
--                              alive (sorted set: Replies, by the time until which they count)
--                              state (hash: tokens, at; closed; seq)
--                              line (sorted set: '<priority>:<Reply>' of who waits, by the time he was told)
-- ARGV  1 name of the Reply, '' for none   2 priority, 0 (final) to 4 (interim)
--       3 for how long it would wait (s), '' for as long as need be   4 how steeply the gap grows
--       5 how long a Reply counts after a call (s)   6 how long a place in line is kept (s)
--       7 '1' if the last bucket is the one that the end of what is begun will draw on
--       8 now (s), '' for Redis's clock
--       then for each bucket three:  'window' or 'rate'   calls or burst   seconds or calls a second
-- Gives {'1' if the call may go and is accounted for, seconds to wait, fair gap (s), how long the end of one more answer
-- would wait (s), number of the bucket that the platform has closed for the longest time or '0', for how long (s)}.
-- The clock is Redis's, the same for all replicas: theirs may differ by more than a window allows.
local NEVER, ROUNDING, KEPT = -1, 1e-6, 600
local INTERIM, FIRST, FINAL = 4, 1, 0
local stream, priority, patience = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local steepness, counts, late = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local now = tonumber(ARGV[8])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local place_in_line = priority .. ':' .. stream
local ends_here = priority == FINAL or priority == 2
local begins = priority == FIRST or priority == 3

local function text(number)
  return string.format('%.6f', number)
end

local function spared(rank, alive, most, window)
  if rank == 0 then return 0 end
  if rank == 1 then return math.floor(most / 12) end
  if rank == 2 then return math.floor(most / 8) end
  if rank == 3 then return math.floor(most / 4) end
  if window then return math.min(alive + 2, most - 1) end
  return math.min(alive, math.floor(most / 2))
end

local function count(b, until_)
  if ends_here then
    redis.call('ZREM', b.alive, stream)
  elseif stream ~= '' then
    redis.call('ZADD', b.alive, 'GT', text(until_), stream)
  end
end

local function opened(number)
  local b = {
    calls = KEYS[4 * number - 3], alive = KEYS[4 * number - 2], state = KEYS[4 * number - 1], line = KEYS[4 * number],
    window = ARGV[3 * number + 6] == 'window',
    most = tonumber(ARGV[3 * number + 7]), per = tonumber(ARGV[3 * number + 8]),
  }
  local known = redis.call('HMGET', b.state, 'closed', 'tokens', 'at')
  b.closed = tonumber(known[1] or NEVER)
  if b.window then
    redis.call('ZREMRANGEBYSCORE', b.calls, '-inf', text(now - b.per + ROUNDING))
    b.used = redis.call('ZCARD', b.calls)
  else
    local at = tonumber(known[3] or now)
    local since = math.max(at, math.min(b.closed, now)) -- a closed bucket does not fill
    b.tokens = math.min(b.most, tonumber(known[2] or b.most) + math.max(now - since, 0) * b.per)
    b.at = math.max(at, now)
    b.used = b.most - b.tokens
  end
  redis.call('ZREMRANGEBYSCORE', b.alive, '-inf', text(now))
  redis.call('ZREMRANGEBYSCORE', b.line, '-inf', text(now - late))
  return b
end

local function open_to(b, rank)
  return math.max(1, b.most - spared(rank, redis.call('ZCARD', b.alive), b.most, b.window))
end

local function interval(b, rank)
  return b.window and b.per / open_to(b, rank) or 1 / b.per
end

local function ahead_of(b, rank) -- when those go whom a call of that rank does not overtake
  local times = {}
  if redis.call('ZCARD', b.line) > 0 then
    local line = redis.call('ZRANGE', b.line, 0, -1, 'WITHSCORES')
    for at = 1, #line, 2 do
      if tonumber(string.sub(line[at], 1, 1)) <= rank then
        times[#times + 1] = tonumber(line[at + 1])
      end
    end
  end
  return times
end

local function back_at(b, missing, ahead) -- when that many places will have come back
  local at = math.max(now, b.closed)
  if missing <= 0 then return at end
  if not b.window then return at + missing / b.per end
  local last = math.floor(missing)
  if last <= b.used then
    return math.max(at, tonumber(redis.call('ZRANGE', b.calls, last - 1, last - 1, 'WITHSCORES')[2]) + b.per)
  end
  return math.max(at, (ahead[last - b.used] or now) + b.per)
end

local function short_of(b, ahead) -- how many places are missing for the end of one more answer, behind all alive
  return b.used + #ahead + redis.call('ZCARD', b.alive) + 1 - b.most
end

local function end_at(b)
  local ahead = ahead_of(b, FINAL)
  return back_at(b, short_of(b, ahead), ahead)
end

local buckets, ending = {}, nil
for number = 1, #KEYS / 4 do
  buckets[number] = opened(number)
end
if ARGV[7] == '1' then ending = table.remove(buckets) end

local at, waited = now, false
for _, b in ipairs(buckets) do
  count(b, now + counts)
  waited = redis.call('ZSCORE', b.line, place_in_line) and true or false
  for rank = FINAL, INTERIM do
    redis.call('ZREM', b.line, rank .. ':' .. stream)
  end
  local ahead = waited and {} or ahead_of(b, priority)
  b.opens = back_at(b, b.used + #ahead + 1 - open_to(b, priority), ahead)
end
if ending and begins and not redis.call('ZSCORE', ending.alive, stream) then -- its end needs a place as well
  local widest = buckets[#buckets]
  local room = end_at(ending)
  if priority == FIRST then -- its end may be a message of its own
    local ahead = waited and {} or ahead_of(widest, FIRST)
    local missing = math.max(0, short_of(ending, ahead_of(ending, FINAL)))
    room = math.min(room, back_at(widest, widest.used + #ahead + 1 + missing - open_to(widest, FIRST), ahead))
  end
  widest.opens = math.max(widest.opens, room)
end
for _, b in ipairs(buckets) do
  at = math.max(at, b.opens)
end

local go = at <= now + ROUNDING
local wait = go and 0 or at - now
local number, closed = 0, 0
for place, b in ipairs(buckets) do
  if go then
    b.used = b.used + 1
    if b.window then
      redis.call('ZADD', b.calls, text(now), redis.call('HINCRBY', b.state, 'seq', 1))
    else
      b.tokens = b.tokens - 1
    end
  elseif b.opens > now + ROUNDING and stream ~= '' and (not patience or wait <= patience) then
    redis.call('ZADD', b.line, text(at), place_in_line)
  end
  if not b.window then
    redis.call('HSET', b.state, 'tokens', text(b.tokens), 'at', text(b.at))
  end
  if b.closed - now > closed then
    number, closed = place, b.closed - now
  end
end
if go and ending then count(ending, now + counts) end

local gap, ends = 0, 0
for _, b in ipairs(ending and {ending} or buckets) do
  local mine, between = open_to(b, INTERIM), interval(b, INTERIM)
  local alive = redis.call('ZCARD', b.alive)
  local even = alive * between
  gap = math.max(gap, even * math.min(1, math.max(0, b.used / mine)) ^ (steepness / math.max(alive, 1) ^ 2))
  if b.window and b.used > 0 and b.used < mine then
    local oldest = redis.call('ZRANGE', b.calls, 0, 0, 'WITHSCORES')
    local frees_in = tonumber(oldest[2]) + b.per - now
    local stretch = frees_in / (mine - b.used) / between
    gap = math.max(gap, math.min(even * (stretch < 3 and stretch ^ 3 / 9 or stretch), frees_in))
  end
  ends = math.max(ends, end_at(b) - now)
end
if ending then buckets[#buckets + 1] = ending end
for _, b in ipairs(buckets) do
  if redis.call('ZSCORE', b.alive, stream) then
    redis.call('ZADD', b.alive, text(now + wait + 2 * gap + counts), stream)
  end
  local kept = math.ceil(math.max(KEPT, b.closed - now + KEPT, 2 * gap + wait + counts))
  redis.call('EXPIRE', b.calls, kept)
  redis.call('EXPIRE', b.alive, kept)
  redis.call('EXPIRE', b.state, kept)
  redis.call('EXPIRE', b.line, kept)
end
return {go and '1' or '0', text(wait), text(gap), text(ends), tostring(number), text(closed)}
