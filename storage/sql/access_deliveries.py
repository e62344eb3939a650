"""The deliveries about access: questions to the admins, greetings to chats."""

from datetime import datetime

from storage.access import AccessQuestion, Greeting
from storage.models import DeliveryKind
from storage.outbox import DeliveryPriority
from storage.sql import deliveries, rows
from storage.sql.transaction import Transaction


async def enqueue_question(tx: Transaction, admin_id: int, question: AccessQuestion, *, at: datetime) -> None:
    """Enqueue a QUESTION to an admin, unless one about the same request is pending."""
    await tx.run(
        """
        INSERT INTO deliveries (chat_id, kind, subject, content, priority, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
        """,
        (
            admin_id,
            DeliveryKind.QUESTION,
            str(question.request_id),
            rows.to_json(question),
            DeliveryPriority.REPORT,
            at,
        ),
    )


async def supersede_questions(tx: Transaction, request_id: int, *, at: datetime) -> None:
    """Supersede the unsent questions about a request that is decided."""
    found = await tx.all(
        "SELECT id FROM deliveries WHERE kind = $1 AND subject = $2 AND is_unsent",
        (DeliveryKind.QUESTION, str(request_id)),
    )
    await deliveries.supersede(tx, [row["id"] for row in found], at=at)


async def enqueue_greeting(
    tx: Transaction, chat_id: int, greeting: Greeting, *, subject: str, at: datetime
) -> None:
    """Enqueue a GREETING, unless the chat has one of the same subject, also one that was sent."""
    await tx.run(
        """
        INSERT INTO deliveries (chat_id, kind, subject, content, priority, created_at)
        SELECT :chat_id, :kind, :subject, :content, :priority, :at WHERE NOT EXISTS (
            SELECT 1 FROM deliveries WHERE chat_id = :chat_id AND kind = :kind AND subject = :subject
        )
        """,
        {
            "chat_id": chat_id,
            "kind": DeliveryKind.GREETING,
            "subject": subject,
            "content": rows.to_json(greeting),
            "priority": DeliveryPriority.NOTICE,
            "at": at,
        },
    )


async def supersede_greetings(tx: Transaction, chat_id: int, *, at: datetime) -> None:
    """Supersede the unsent greetings to a chat."""
    found = await tx.all(
        "SELECT id FROM deliveries WHERE chat_id = $1 AND kind = $2 AND is_unsent",
        (chat_id, DeliveryKind.GREETING),
    )
    await deliveries.supersede(tx, [row["id"] for row in found], at=at)
