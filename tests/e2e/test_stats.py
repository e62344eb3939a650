"""/stats, as an admin sees it."""

import io
from pathlib import Path

import aiogram.types
from PIL import Image

from bot.sandbox.faults import json_response
from tests.e2e.scene import ADMIN, Scene


async def test_stats_are_a_picture_with_words_and_words_alone_where_photos_are_refused(tmp_path: Path):
    async with Scene.open(tmp_path) as scene:
        program = await scene.start_bot(TZ="Asia/Shanghai", LOG_FORMAT="json")
        done, failed = scene.task("videos"), scene.task("jimeng", fails="content policy")
        for task in (done, failed):
            await scene.watch(ADMIN, task)
            scene.finish(task)
            await scene.poll(ADMIN, task)
        await scene.until_all_is_sent()

        reply = await scene.command(ADMIN, "/stats")

        aiogram.types.Message.model_validate(scene.telegram.state.json(reply))
        assert reply.photo is not None
        assert Image.open(io.BytesIO(reply.photo.file.content)).width == reply.photo.width == 1280
        first, causes, waits, *counts = reply.plain_text.split("\n")
        assert first == "Last 7 days: 1 done, 1 failed"
        assert causes == "Why tasks failed: Content filter 1"
        assert waits.startswith("How long tasks take (median / 90% within): videos ")
        assert counts[-1].startswith("Deliveries: to be sent 0, being sent 0, sent ")

        refusal = {"ok": False, "error_code": 400, "description": "Bad Request: not enough rights"}
        scene.telegram.fail("sendPhoto", json_response(400, refusal))
        words = await scene.command(ADMIN, "/stats")

        assert words.photo is None
        assert words.text is not None
        assert words.text.startswith(first)
        assert program.log.count("the picture was not sent, so its caption goes alone") == 1
